package grpcauth_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/grpcauth"
	"github.com/a74cfa30/tokenauth/lease"
	"github.com/a74cfa30/tokenauth/memstore"
)

// A server with a rule for each method, and a client with a token. gRPC's own health service stands for yours.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	store := memstore.New(memstore.Config{})
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	must(err)
	profile := tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}}
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile, Key: key, Tokens: store})
	must(err)
	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{Profile: profile, Keys: key.VerifyingKey(), Revocation: store})
	must(err)

	leases, err := lease.New(verifier, lease.Config{})
	must(err)
	go func() { _ = leases.Run(ctx) }() // ends streams whose token dies
	must(leases.WaitReady(ctx))
	guard, err := grpcauth.New(grpcauth.Config{
		Verifier: verifier,
		Leases:   leases,
		Rules: map[string]grpcauth.Rule{
			"/grpc.health.v1.Health/Check": grpcauth.Scope("service", grpcauth.Field((*healthpb.HealthCheckRequest).GetService), tokenauth.LevelRead),
			"/grpc.health.v1.Health/List":  grpcauth.Scope("service", grpcauth.Collection(), tokenauth.LevelRead),
			"/grpc.health.v1.Health/Watch": grpcauth.Authenticated(),
		},
	})
	must(err)
	server := grpc.NewServer(grpc.UnaryInterceptor(guard.Unary), grpc.StreamInterceptor(guard.Stream))
	service := health.NewServer()
	service.SetServingStatus("deploy", healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(server, service)
	must(guard.CheckServer(server)) // every method has a rule
	pipe := bufconn.Listen(1 << 16)
	go func() { _ = server.Serve(pipe) }()
	defer server.Stop()

	token, err := issuer.Issue(ctx, tokenauth.TokenRequest{
		By: tokenauth.SystemAuthority("example"), Name: "prober",
		Scopes: []tokenauth.TokenScope{{ResourceKind: "service", ResourceID: "deploy", Level: tokenauth.LevelRead}},
	})
	must(err)
	conn, err := grpc.NewClient("passthrough:example",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithPerRPCCredentials(grpcauth.Insecure(func(context.Context) (tokenauth.Token, error) { return token.Token, nil })))
	must(err)
	defer func() { _ = conn.Close() }()
	client := healthpb.NewHealthClient(conn)

	answer, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: "deploy"})
	fmt.Println(answer.GetStatus(), err)
	_, err = client.Check(ctx, &healthpb.HealthCheckRequest{Service: "billing"})
	fmt.Println(status.Code(err), status.Convert(err).Message())
	_, err = issuer.Revoke(ctx, tokenauth.SystemAuthority("example"), token.Record.ID, "leaked")
	must(err)
	_, err = client.Check(ctx, &healthpb.HealthCheckRequest{Service: "deploy"})
	fmt.Println(status.Code(err), status.Convert(err).Message())
	// Output:
	// SERVING <nil>
	// PermissionDenied scope_insufficient
	// Unauthenticated token_revoked
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
