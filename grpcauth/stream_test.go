package grpcauth_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
	"github.com/a74cfa30/tokenauth/grpcauth"
	"github.com/a74cfa30/tokenauth/lease"
)

// often is a lease that notices soon.
var often = lease.Config{Every: 5 * time.Millisecond, MaxStaleness: 100 * time.Millisecond}

// A stream ends with its token, whatever its handler is doing at the time, and the caller is told why.
func TestAStreamEndsWithItsToken(t *testing.T) {
	for name, serveStream := range map[string]func(s grpc.ServerStream) error{
		"waits for its context": func(s grpc.ServerStream) error {
			<-s.Context().Done()
			return context.Cause(s.Context())
		},
		"waits for a message": func(s grpc.ServerStream) error { return s.RecvMsg(new(wrapperspb.StringValue)) },
		"sends to one who does not read": func(s grpc.ServerStream) error {
			for {
				if err := s.SendMsg(wrapperspb.String(string(make([]byte, 1<<16)))); err != nil {
					return err
				}
			}
		},
		"sends now and then": func(s grpc.ServerStream) error {
			for {
				if err := s.SendMsg(wrapperspb.String("tick")); err != nil {
					return errors.New("something of its own")
				}
				time.Sleep(time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			kit := authtest.New(t, authtest.Config{})
			s := serve(t, kit.Verifier, rules(), often)
			started, ended := make(chan struct{}), make(chan error, 1)
			s.stream = func(s grpc.ServerStream) error {
				if err := s.RecvMsg(new(wrapperspb.StringValue)); err != nil {
					return err
				}
				require.Equal(t, "alice", tokenauth.PrincipalFrom(s.Context()).Subject())
				close(started)
				err := serveStream(s)
				ended <- err
				return err
			}
			token := kit.Token("alice", authtest.Asked().String())
			stream := s.open(t, with(t.Context(), token), methodChat)
			require.NoError(t, stream.SendMsg(wrapperspb.String("web")))
			<-started
			kit.Revoke(token)
			require.Error(t, <-ended)
			var err error
			for err == nil {
				_, err = receive(stream)
			}
			require.Equal(t, codes.Unauthenticated, status.Code(err), "%v", err)
			require.Equal(t, "token_revoked", status.Convert(err).Message())
		})
	}
}

// Nobody can say whether the token lives: the stream ends, and not as if it were known to be dead.
func TestAStreamEndsWhenNobodyKnows(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	s := serve(t, kit.Verifier, rules(), often)
	s.stream = func(s grpc.ServerStream) error {
		for {
			if err := s.RecvMsg(new(wrapperspb.StringValue)); err != nil {
				return err
			}
			if err := s.SendMsg(wrapperspb.String("got it")); err != nil {
				return err
			}
		}
	}
	stream := s.open(t, with(t.Context(), kit.Token("alice", authtest.Asked().String())), methodChat)
	require.NoError(t, stream.SendMsg(wrapperspb.String("web")))
	_, err := receive(stream)
	require.NoError(t, err)
	kit.Stores.Fail(nil)
	_, err = receive(stream)
	require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
}

// Without Run there is nobody to end a stream, so there is none.
func TestAStreamWithoutALeaseIsRefused(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	leases, err := lease.New(kit.Verifier, lease.Config{})
	require.NoError(t, err)
	guard, err := grpcauth.New(grpcauth.Config{Verifier: kit.Verifier, Rules: rules(), Leases: leases})
	require.NoError(t, err)
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+kit.Token("alice", authtest.Asked().String())))
	err = guard.Stream(nil, fake{ctx: ctx}, &grpc.StreamServerInfo{FullMethod: methodChat}, func(any, grpc.ServerStream) error {
		t.Error("the handler was called")
		return nil
	})
	require.Equal(t, codes.Unavailable, status.Code(err))
}

// With NoLeases, said aloud, a stream goes on.
func TestNoLeases(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	guard, err := grpcauth.New(grpcauth.Config{Verifier: kit.Verifier, Rules: rules(), NoLeases: true})
	require.NoError(t, err)
	token := kit.Token("alice", authtest.Asked().String())
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+token))
	err = guard.Stream(nil, fake{ctx: ctx, received: "web"}, &grpc.StreamServerInfo{FullMethod: methodChat}, func(_ any, s grpc.ServerStream) error {
		kit.Revoke(token)
		require.NoError(t, s.RecvMsg(new(wrapperspb.StringValue)))
		md, _ := metadata.FromIncomingContext(s.Context())
		require.Empty(t, md["authorization"])
		return s.SendMsg(nil)
	})
	require.NoError(t, err)
}

// Each message of a stream is a question of its own, and before the first answer nothing goes out.
func TestAStreamIsAskedAboutEachMessage(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	guard, err := grpcauth.New(grpcauth.Config{Verifier: kit.Verifier, Rules: rules(), NoLeases: true})
	require.NoError(t, err)
	run := func(handler func(s grpc.ServerStream, ss *fake) error) error {
		ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+kit.Token("alice", authtest.Asked().String())))
		ss := &fake{ctx: ctx}
		return guard.Stream(nil, ss, &grpc.StreamServerInfo{FullMethod: methodChat}, func(_ any, s grpc.ServerStream) error { return handler(s, ss) })
	}
	denied := func(err error) { t.Helper(); require.Equal(t, codes.PermissionDenied, status.Code(err), "%v", err) }

	denied(run(func(s grpc.ServerStream, _ *fake) error { return s.SendMsg(nil) }))
	denied(run(func(s grpc.ServerStream, _ *fake) error { return s.SendHeader(nil) }))
	denied(run(func(s grpc.ServerStream, _ *fake) error { return s.SetHeader(nil) }))
	denied(run(func(s grpc.ServerStream, ss *fake) error {
		ss.received = "api"
		denied(s.RecvMsg(new(wrapperspb.StringValue)))
		return s.SendMsg(nil) // the handler did not mind
	}))
	require.NoError(t, run(func(s grpc.ServerStream, ss *fake) error {
		ss.received = "web"
		require.NoError(t, s.RecvMsg(new(wrapperspb.StringValue)))
		require.NoError(t, s.SetHeader(nil))
		require.NoError(t, s.SendHeader(nil))
		require.NoError(t, s.SendMsg(nil))
		return nil
	}))
	denied(run(func(s grpc.ServerStream, ss *fake) error {
		ss.received = "web"
		require.NoError(t, s.RecvMsg(new(wrapperspb.StringValue)))
		ss.received = "api"
		denied(s.RecvMsg(new(wrapperspb.StringValue)))
		ss.received = "web" // too late: one refusal ends the stream
		denied(s.RecvMsg(new(wrapperspb.StringValue)))
		denied(s.SendMsg(nil))
		return nil // the handler takes it for the end
	}))
	require.Equal(t, io.EOF, run(func(s grpc.ServerStream, _ *fake) error { return s.RecvMsg(new(wrapperspb.StringValue)) }))
}

// A trailer is sent with the status, so it waits for what the guard has to say.
func TestATrailerIsSentWithWhatIsAllowed(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	s := serve(t, kit.Verifier, rules(), often)
	var token string
	handlers := map[string]func(s grpc.ServerStream) error{
		"allowed": func(s grpc.ServerStream) error {
			s.SetTrailer(metadata.Pairs("early", "1"))
			err := s.RecvMsg(new(wrapperspb.StringValue))
			s.SetTrailer(metadata.Pairs("late", "2"))
			return err
		},
		"a failure of the handler's own": func(s grpc.ServerStream) error {
			s.SetTrailer(metadata.Pairs("early", "1"))
			require.NoError(t, s.RecvMsg(new(wrapperspb.StringValue)))
			s.SetTrailer(metadata.Pairs("late", "2"))
			return errors.New("something of its own")
		},
		"refused": func(s grpc.ServerStream) error {
			s.SetTrailer(metadata.Pairs("early", "1"))
			err := s.RecvMsg(new(wrapperspb.StringValue))
			s.SetTrailer(metadata.Pairs("late", "2"))
			return err
		},
		"not asked yet": func(s grpc.ServerStream) error {
			s.SetTrailer(metadata.Pairs("early", "1"))
			return nil
		},
		"dead meanwhile": func(s grpc.ServerStream) error {
			require.NoError(t, s.RecvMsg(new(wrapperspb.StringValue)))
			kit.Revoke(token)
			<-s.Context().Done()
			s.SetTrailer(metadata.Pairs("late", "2"))
			return nil
		},
	}
	for name, want := range map[string]metadata.MD{
		"allowed":                        metadata.Pairs("early", "1", "late", "2"),
		"a failure of the handler's own": metadata.Pairs("early", "1", "late", "2"),
		"refused":                        {},
		"not asked yet":                  {},
		"dead meanwhile":                 {},
	} {
		t.Run(name, func(t *testing.T) {
			token = kit.Token("alice", authtest.Asked().String())
			s.stream = handlers[name]
			stream := s.open(t, with(t.Context(), token), methodChat)
			_ = stream.SendMsg(wrapperspb.String(map[bool]string{true: "api", false: "web"}[name == "refused"])) // it may be over already
			_, err := receive(stream)
			require.Error(t, err)
			got := stream.Trailer()
			require.Equal(t, want.Get("early"), got.Get("early"))
			require.Equal(t, want.Get("late"), got.Get("late"))
		})
	}
}

// An answer that has lost its trailer is not whole, so it is not OK: the caller is told why.
func TestATrailerThatIsKeptBackIsTold(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	s := serve(t, kit.Verifier, rules(), often)
	for name, want := range map[string]codes.Code{"with a trailer": codes.Unauthenticated, "without": codes.OK} {
		token := kit.Token("alice", authtest.Asked().String())
		s.stream = func(s grpc.ServerStream) error {
			require.NoError(t, s.RecvMsg(new(wrapperspb.StringValue)))
			if name == "with a trailer" {
				s.SetTrailer(metadata.Pairs("complete", "no"))
			}
			kit.Revoke(token)
			<-s.Context().Done()
			return nil
		}
		stream := s.open(t, with(t.Context(), token), methodChat)
		require.NoError(t, stream.SendMsg(wrapperspb.String("web")))
		_, err := receive(stream)
		if err == io.EOF {
			err = nil
		}
		require.Equal(t, want, status.Code(err), "%s: %v", name, err)
		require.Empty(t, stream.Trailer()["complete"], name)
	}
	// Nor is it an error that there was nothing to ask about.
	s.stream = func(s grpc.ServerStream) error {
		s.SetTrailer(metadata.Pairs("request", "7"))
		require.Equal(t, io.EOF, s.RecvMsg(new(wrapperspb.StringValue)))
		return nil
	}
	stream := s.open(t, with(t.Context(), kit.Token("alice", authtest.Asked().String())), methodChat)
	require.NoError(t, stream.CloseSend())
	_, err := receive(stream)
	require.Equal(t, io.EOF, err)
}

// Whoever makes an answer of a panic stands before the guard, and what the handler had set goes with that answer.
func TestATrailerOutlivesAPanic(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	s := serve(t, kit.Verifier, rules(), often)
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+kit.Token("alice", authtest.Asked().String())))
	for received, want := range map[string][]string{"web": {"7"}, "api": nil} { // allowed, and refused
		ss := &trailed{fake: fake{ctx: ctx, received: received}}
		require.Panics(t, func() {
			_ = s.guard.Stream(nil, ss, &grpc.StreamServerInfo{FullMethod: methodChat}, func(_ any, s grpc.ServerStream) error {
				s.SetTrailer(metadata.Pairs("request", "7"))
				panic(s.RecvMsg(new(wrapperspb.StringValue)) == nil)
			})
		})
		require.Equal(t, want, ss.trailer.Get("request"), received)
	}
}

// A trailed stream shows its trailer.
type trailed struct {
	fake
	trailer metadata.MD
}

func (s *trailed) SetTrailer(md metadata.MD) { s.trailer = metadata.Join(s.trailer, md) }

// A caller that hangs up gets no lease's answer.
func TestACallThatEndsByItself(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	s := serve(t, kit.Verifier, rules(), often)
	started, cause := make(chan struct{}), make(chan error, 1)
	s.stream = func(s grpc.ServerStream) error {
		if err := s.RecvMsg(new(wrapperspb.StringValue)); err != nil {
			return err
		}
		close(started)
		err := s.RecvMsg(new(wrapperspb.StringValue))
		cause <- err
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	stream := s.open(t, with(ctx, kit.Token("alice", authtest.Asked().String())), methodChat)
	require.NoError(t, stream.SendMsg(wrapperspb.String("web")))
	<-started
	cancel()
	require.Equal(t, codes.Canceled, status.Code(<-cause))
	for s.leases.Stats().Live != 0 {
		time.Sleep(time.Millisecond)
	}
}

// A transport that panics does so where the handler can recover, and one that ends its goroutine ends the handler's.
func TestAPanicStaysWhereItCanBeRecovered(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	s := serve(t, kit.Verifier, map[string]grpcauth.Rule{methodChat: grpcauth.Authenticated()}, lease.Config{})
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+kit.Token("alice")))
	for name, breaks := range map[string]func(){"panic": func() { panic("codec") }, "Goexit": runtime.Goexit} {
		ended := make(chan any, 1)
		go func() {
			defer func() { ended <- recover() }()
			_ = s.guard.Stream(nil, &fake{ctx: ctx, before: breaks}, &grpc.StreamServerInfo{FullMethod: methodChat}, func(_ any, s grpc.ServerStream) error {
				return s.RecvMsg(new(wrapperspb.StringValue))
			})
		}()
		if name == "panic" {
			require.Equal(t, "codec", <-ended)
		} else {
			require.Nil(t, <-ended)
		}
	}
}

// A fake is the transport's side of a stream.
type fake struct {
	grpc.ServerStream
	ctx      context.Context
	received string // what comes next; "": the end
	before   func() // it comes
}

func (f fake) Context() context.Context     { return f.ctx }
func (f fake) SetHeader(metadata.MD) error  { return nil }
func (f fake) SendHeader(metadata.MD) error { return nil }
func (f fake) SendMsg(any) error            { return nil }
func (f fake) RecvMsg(m any) error {
	if f.before != nil {
		f.before()
	}
	if f.received == "" {
		return io.EOF
	}
	m.(*wrapperspb.StringValue).Value = f.received
	return nil
}
