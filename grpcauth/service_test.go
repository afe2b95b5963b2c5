package grpcauth_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
	"github.com/a74cfa30/tokenauth/grpcauth"
	"github.com/a74cfa30/tokenauth/lease"
)

// A service of four methods, as a generator would have written it, whose messages are texts that name a deployment.

const (
	methodGet    = "/test.Deploy/Get"    // unary
	methodWatch  = "/test.Deploy/Watch"  // one request, many answers
	methodChat   = "/test.Deploy/Chat"   // as many as anybody likes
	methodHealth = "/test.Deploy/Health" // unary, public
)

// A deploy is the service behind a guard. Its hooks say what a method does.
type deploy struct {
	calls  atomic.Int64 // of any handler
	unary  func(ctx context.Context) error
	stream func(s grpc.ServerStream) error
}

func (d *deploy) serveUnary(ctx context.Context, name string) (any, error) {
	d.calls.Add(1)
	if d.unary != nil {
		if err := d.unary(ctx); err != nil {
			return nil, err
		}
	}
	return wrapperspb.String(name), nil
}

func (d *deploy) serveStream(s grpc.ServerStream) error {
	d.calls.Add(1)
	return d.stream(s)
}

func unary(method, full string) grpc.MethodDesc {
	return grpc.MethodDesc{MethodName: method, Handler: func(srv any, ctx context.Context, decode func(any) error, guard grpc.UnaryServerInterceptor) (any, error) {
		req := new(wrapperspb.StringValue)
		if err := decode(req); err != nil {
			return nil, err
		}
		handle := func(ctx context.Context, req any) (any, error) {
			return srv.(*deploy).serveUnary(ctx, req.(*wrapperspb.StringValue).GetValue())
		}
		return guard(ctx, req, &grpc.UnaryServerInfo{Server: srv, FullMethod: full}, handle)
	}}
}

var description = grpc.ServiceDesc{
	ServiceName: "test.Deploy",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{unary("Get", methodGet), unary("Health", methodHealth)},
	Streams: []grpc.StreamDesc{
		{StreamName: "Watch", ServerStreams: true, Handler: func(srv any, s grpc.ServerStream) error {
			if err := s.RecvMsg(new(wrapperspb.StringValue)); err != nil { // as generated code does
				return err
			}
			return srv.(*deploy).serveStream(s)
		}},
		{StreamName: "Chat", ServerStreams: true, ClientStreams: true, Handler: func(srv any, s grpc.ServerStream) error {
			return srv.(*deploy).serveStream(s)
		}},
	},
}

// rules asks authtest's question.
func rules() map[string]grpcauth.Rule {
	q := authtest.Asked()
	scope := grpcauth.Scope(q.ResourceKind, grpcauth.Field((*wrapperspb.StringValue).GetValue), q.Level)
	return map[string]grpcauth.Rule{methodGet: scope, methodWatch: scope, methodChat: scope, methodHealth: grpcauth.Public()}
}

// A server is a deploy behind a guard, and a connection to it.
type server struct {
	*deploy
	guard  *grpcauth.Guard
	leases *lease.Leases
	conn   *grpc.ClientConn
	grpc   *grpc.Server
}

// serve starts a server that ends with the test.
func serve(t testing.TB, v *tokenauth.Verifier, rules map[string]grpcauth.Rule, cfg lease.Config) *server {
	t.Helper()
	s := &server{deploy: &deploy{}}
	var err error
	s.leases, err = lease.New(v, cfg)
	require.NoError(t, err)
	s.guard, err = grpcauth.New(grpcauth.Config{Verifier: v, Rules: rules, Leases: s.leases})
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.leases.Run(ctx) })
	require.NoError(t, s.leases.WaitReady(ctx))
	s.grpc = grpc.NewServer(grpc.UnaryInterceptor(s.guard.Unary), grpc.StreamInterceptor(s.guard.Stream))
	s.grpc.RegisterService(&description, s.deploy)
	pipe := bufconn.Listen(1 << 20)
	wg.Go(func() { _ = s.grpc.Serve(pipe) })
	s.conn, err = grpc.NewClient("passthrough:pipe", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }))
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = s.conn.Close()
		s.grpc.Stop()
		cancel()
		wg.Wait()
	})
	return s
}

// with returns a context that sends a token; "" sends none.
func with(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// get calls the unary method.
func (s *server) get(ctx context.Context, name string) error {
	return s.conn.Invoke(ctx, methodGet, wrapperspb.String(name), new(wrapperspb.StringValue))
}

// open opens a stream.
func (s *server) open(t testing.TB, ctx context.Context, method string) grpc.ClientStream {
	t.Helper()
	stream, err := s.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	require.NoError(t, err)
	return stream
}

// receive returns the next answer of a stream.
func receive(s grpc.ClientStream) (string, error) {
	m := new(wrapperspb.StringValue)
	err := s.RecvMsg(m)
	return m.GetValue(), err
}
