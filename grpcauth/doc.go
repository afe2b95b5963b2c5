// Package grpcauth puts a tokenauth.Verifier in front of gRPC services.
//
// A [Guard] has a rule for each method, and refuses every method that has none:
//
//	guard, err := grpcauth.New(grpcauth.Config{
//		Verifier: verifier,
//		Leases:   leases, // see package lease; whoever has streams needs it
//		Rules: map[string]grpcauth.Rule{
//			"/grpc.health.v1.Health/Check": grpcauth.Public(),
//			"/deploy.v1.Deploy/List":       grpcauth.Scope("deployment", grpcauth.Collection(), tokenauth.LevelRead),
//			"/deploy.v1.Deploy/Start":      grpcauth.Scope("deployment", grpcauth.Field((*deploypb.StartRequest).GetName), tokenauth.LevelWrite),
//			"/deploy.v1.Deploy/Watch":      grpcauth.Authenticated(),
//		},
//	})
//	server := grpc.NewServer(grpc.UnaryInterceptor(guard.Unary), grpc.StreamInterceptor(guard.Stream))
//	deploypb.RegisterDeployServer(server, service)
//	err = guard.CheckServer(server) // every method has a rule, and every rule a method
//
// A handler finds its caller by tokenauth.PrincipalFrom(ctx).
//
// # What is a credential
//
// One metadata value under "authorization", which is "Bearer", in any letter case, and one token. Two values are refused whole instead of
// being read in favour of either. After success the credential is taken out of the metadata that the handler sees.
//
// # What the caller is answered
//
//	the error wraps        code               message
//	ErrInvalidToken        UNAUTHENTICATED    tokenauth.ErrorCode, such as token_expired
//	ErrForbidden           PERMISSION_DENIED  scope_insufficient, say
//	ErrUnavailable         UNAVAILABLE        revocation_unavailable, say: try again later
//	ErrInvalidRequest      INVALID_ARGUMENT
//	ErrNotFound, ErrExists NOT_FOUND, ALREADY_EXISTS
//	anything else          INTERNAL
//
// The message is the code of the refusal and nothing else: no word of the request, the token or a store's answer. It is the policy of
// package httpauth, in gRPC's words.
//
// # Streams
//
// A stream may live for days, and its token may not. Each stream whose caller had to prove something has a lease: when its token dies, the
// stream's context ends with the reason as its cause, and from then on no message is sent or received, not even by a call that waits
// already. What was sent before is not called back. Config.NoLeases says aloud that streams go on for as long as they like.
//
// Where the question of a stream is about a field of its messages, each message is asked about before the handler has it, and nothing can
// be sent before the first one was allowed. One that is refused ends the stream. The caller is proven first, so one who is dead and holds too little is told UNAUTHENTICATED
// there, and PERMISSION_DENIED everywhere else.
//
// All this is so of the stream's own methods. A trailer that was set is sent if something may be sent when the handler has returned; one
// that is kept back because the lease has ended is told by the status, also where the handler was content. The functions SetHeader,
// SendHeader and SetTrailer of package grpc find the transport by the context and pass the guard by.
//
// # What it does not do
//
// It does not look at the transport: whoever serves without TLS sends tokens in the clear. It limits no rates. Interceptors that stand
// before it have seen the credential, and if they log metadata, have logged it.
package grpcauth
