package grpcauth

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/a74cfa30/tokenauth"
)

// A stream is proven once and leased from then on. A handler may wait in the transport for a message that never comes, where no context of
// ours reaches it; so a call that waits is left alone when the lease ends, the handler gets the reason, and the transport ends the call when
// the handler returns.

// Stream is a grpc.StreamServerInterceptor.
func (g *Guard) Stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	rule, err := g.rule(info.FullMethod)
	if err != nil {
		return Status(err)
	}
	if rule.kind == public {
		return handler(srv, &stream{ServerStream: ss, ctx: withoutCredential(ss.Context())})
	}
	var question *tokenauth.TokenScope
	if rule.field == nil { // otherwise it is asked about each message
		question = &rule.scope
	}
	p, err := g.prove(ss.Context(), rule, question)
	if err != nil {
		return Status(err)
	}
	ctx := tokenauth.WithPrincipal(withoutCredential(ss.Context()), p)
	guarded := &stream{ServerStream: ss, ctx: ctx}
	if rule.field != nil {
		guarded.rule, guarded.principal = rule, p
	}
	if p != nil && g.leases != nil {
		leased, done, err := g.leases.Lease(ctx, p)
		if err != nil {
			return Status(err)
		}
		defer done()
		guarded.ctx, guarded.leased = leased, true
	}
	defer func() { // and not after the handler alone: it may panic before somebody who makes an answer of that
		if ended := guarded.sendTrailer(); err == nil {
			err = ended
		}
	}()
	err = handler(srv, guarded)
	if refused := guarded.refused.Load(); refused != nil {
		return *refused // whatever the handler made of it
	}
	if ended := guarded.ended(); ended != nil && err != nil {
		return ended
	}
	return err
}

// A stream is what a handler has instead of the transport's.
type stream struct {
	grpc.ServerStream
	ctx    context.Context
	leased bool

	// Where each message is asked about:
	principal *tokenauth.Principal // nil: none is
	rule      Rule
	allowed   atomic.Bool           // the first message was
	refused   atomic.Pointer[error] // the first refusal, which stands

	mu      sync.Mutex
	trailer metadata.MD // what the handler has set, guarded by mu
}

// Context has the principal, and ends with the lease.
func (s *stream) Context() context.Context { return s.ctx }

// ended returns why the lease has ended before the call did, or nil.
func (s *stream) ended() error {
	if !s.leased || s.ctx.Err() == nil || s.ServerStream.Context().Err() != nil {
		return nil
	}
	return Status(context.Cause(s.ctx))
}

// errTooEarly is for a handler that talks before it listens.
var errTooEarly = fmt.Errorf("grpcauth: nothing may be sent before the first message was allowed: %w", tokenauth.ErrForbidden)

// over returns why nothing goes on in this stream, or nil: its lease has ended, or a message was refused.
func (s *stream) over() error {
	if err := s.ended(); err != nil {
		return err
	}
	if refused := s.refused.Load(); refused != nil {
		return *refused
	}
	return nil
}

// may says whether something may be sent now.
func (s *stream) may() error {
	if err := s.over(); err != nil {
		return err
	}
	if s.principal != nil && !s.allowed.Load() {
		return Status(errTooEarly)
	}
	return nil
}

// SetHeader implements grpc.ServerStream.
func (s *stream) SetHeader(md metadata.MD) error {
	if err := s.may(); err != nil {
		return err
	}
	return s.ServerStream.SetHeader(md)
}

// SendHeader implements grpc.ServerStream.
func (s *stream) SendHeader(md metadata.MD) error {
	if err := s.may(); err != nil {
		return err
	}
	return s.ServerStream.SendHeader(md)
}

// SetTrailer keeps md until the handler has returned: a trailer is sent with the status, whatever that is, and the guard may have the last
// word about it.
func (s *stream) SetTrailer(md metadata.MD) {
	if s.principal == nil && !s.leased {
		s.ServerStream.SetTrailer(md)
		return
	}
	s.mu.Lock()
	s.trailer = metadata.Join(s.trailer, md)
	s.mu.Unlock()
}

// sendTrailer hands over what SetTrailer has kept, where something may still be sent. It returns why the lease has ended if that keeps a
// trailer back: what is left of the answer must not pass for the whole.
func (s *stream) sendTrailer() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.trailer) == 0 {
		return nil
	}
	if s.may() != nil {
		return s.ended()
	}
	s.ServerStream.SetTrailer(s.trailer)
	return nil
}

// SendMsg sends m, unless the lease has ended or no message was allowed yet.
func (s *stream) SendMsg(m any) error {
	if err := s.may(); err != nil {
		return err
	}
	return s.within(func() error { return s.ServerStream.SendMsg(m) })
}

// RecvMsg receives into m, unless the lease has ended or ends before there is something, and asks about what it received. After a refusal
// there is nothing more.
func (s *stream) RecvMsg(m any) error {
	if err := s.over(); err != nil {
		return err
	}
	if err := s.within(func() error { return s.ServerStream.RecvMsg(m) }); err != nil {
		return err
	}
	if s.principal == nil {
		return nil
	}
	q := s.rule.question(m)
	if err := s.principal.Require(q.ResourceKind, q.ResourceID, q.Level); err != nil {
		err = Status(err)
		s.refused.CompareAndSwap(nil, &err)
		return err
	}
	s.allowed.Store(true)
	return nil
}

// within calls the transport, and comes back when it does or when the lease ends. In the latter case the transport's call goes on until the
// handler has returned, which ends it.
func (s *stream) within(call func() error) error {
	if !s.leased {
		return call()
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() { done <- o }() // whatever happens
		o.attempt(call)
	}()
	select {
	case o := <-done:
		return o.result()
	case <-s.ctx.Done():
		if err := s.ended(); err != nil {
			return err
		}
		o := <-done // the call itself is over, and the transport knows
		return o.result()
	}
}

// An outcome is what became of a call in another goroutine. Whoever recovers panics does so in the handler's goroutine, so there it goes on.
type outcome struct {
	returned bool
	err      error
	panicked any
}

// attempt calls, and notes how it ends.
func (o *outcome) attempt(call func() error) {
	defer func() {
		if !o.returned {
			o.panicked = recover()
		}
	}()
	o.err = call()
	o.returned = true
}

// result ends as the call did: it returns, panics, or ends the goroutine.
func (o outcome) result() error {
	switch {
	case o.returned:
		return o.err
	case o.panicked != nil:
		panic(o.panicked)
	}
	runtime.Goexit()
	return nil
}
