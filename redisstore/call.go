package redisstore

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/a74cfa30/tokenauth"
)

// Every call is a script that reads the marker in the same step as all else. A script leaves a store alone that does not show what this
// process believes in, and the marker it found is judged first.

// inUse says whether the Store came from New, and whether the caller is still there.
func (s *Store) inUse(ctx context.Context) error {
	if s.client == nil {
		return refuse("the Store was not made by New", tokenauth.ErrUnavailable)
	}
	if err := gone(ctx); err != nil {
		return unavailable("the caller has gone", err)
	}
	return nil
}

// markerOf reads a marker.
func markerOf(fields []any) (m marker, err error) {
	if len(fields) < 4 {
		return m, damaged("marker")
	}
	generation, ok := fields[0].(string)
	if !ok {
		return m, nil // there is none
	}
	m.generation = generation
	for i, number := range []*int64{&m.schema, &m.reseeded, &m.seq} {
		if *number, ok = number64(fields[i+1]); !ok {
			return m, damaged("marker")
		}
	}
	return m, nil
}

// number64 reads a number of a reply.
func number64(field any) (int64, bool) {
	switch n := field.(type) {
	case int64:
		return n, true
	case string:
		i, err := strconv.ParseInt(n, 10, 64)
		return i, err == nil
	}
	return 0, false
}

// text reads a text of a reply, and "" for none.
func text(field any) string {
	s, _ := field.(string)
	return s
}

// errReplica is what every call answers where the server is no primary: it would answer from the past.
func errReplica() error { return refuse("the server is a replica", tokenauth.ErrUnavailable) }

// A result is what a script told: the marker it found, a status, and what else.
type result struct {
	marker
	status string
	more   []any
}

// text returns the i-th text of what else was told.
func (r result) text(i int) string {
	if i >= len(r.more) {
		return ""
	}
	return text(r.more[i])
}

// number returns the i-th number of what else was told.
func (r result) number(i int) int {
	if i >= len(r.more) {
		return 0
	}
	n, _ := number64(r.more[i])
	return int(n)
}

// list returns the i-th list of what else was told.
func (r result) list(i int) []any {
	if i >= len(r.more) {
		return nil
	}
	list, _ := r.more[i].([]any)
	return list
}

// Statuses of scripts.
const (
	statusDone       = "done"
	statusUnbelieved = "unbelieved"
	statusReplica    = "replica"
	statusDamaged    = "damaged"    // what has been lost follows, or:
	statusIncomplete = "incomplete" // nobody knows what has been lost, while Reseed makes it again
)

// nobody is a generation that no store has: rand.Text has no hyphen.
const nobody = "-"

// believed returns the latest marker that this process has seen, and the generation that a script must find to go on.
func (s *Store) believed() (before marker, generation string) {
	before, lost := s.watch.seen()
	if lost {
		return before, nobody
	}
	return before, before.generation
}

// look answers a question by lookScript.
func (s *Store) look(ctx context.Context, question string, names ...any) (result, error) {
	return s.run(ctx, lookScript, append([]any{question}, names...)...)
}

// run runs a script on the store that this process believes in. Where another process has reseeded the store meanwhile the script is run
// again.
func (s *Store) run(ctx context.Context, script *redis.Script, args ...any) (result, error) {
	for range 3 {
		if err := s.inUse(ctx); err != nil {
			return result{}, err
		}
		before, generation := s.believed()
		belief := []any{generation, before.seq, schemaVersion, stamp(s.now())}
		m, r, err := s.call(ctx, script, append(belief, args...))
		if err != nil {
			return r, err
		}
		if r.status == statusReplica {
			return r, errReplica()
		}
		if err := s.watch.check(before, m); err != nil {
			return r, err
		}
		if r.status == statusDamaged {
			return r, damaged(r.text(0))
		}
		if r.status != statusUnbelieved {
			return r, nil
		}
	}
	return result{}, refuse("the store is being reseeded again and again", tokenauth.ErrUnavailable)
}

// fence is the argument that makes a script write something in any case. Who calls again because too few replicas had answered changes
// nothing, and WAIT promises to wait for what its own connection has written. (Redis 7.0 waits for all that was written before.)
func (s *Store) fence() string {
	if s.wait > 0 {
		return "1"
	}
	return ""
}

// call runs a script and reads its reply.
func (s *Store) call(ctx context.Context, script *redis.Script, args []any) (marker, result, error) {
	reply, err := s.eval(ctx, script, args)
	if err != nil {
		return marker{}, result{}, clientError(ctx, "running a script", err)
	}
	fields, ok := reply.([]any)
	if !ok || len(fields) < 5 {
		return marker{}, result{}, damaged("reply")
	}
	m, err := markerOf(fields)
	return m, result{m, text(fields[4]), fields[5:]}, err
}

// eval sends a script, and after it WAIT on the same connection where replicas are waited for.
func (s *Store) eval(ctx context.Context, script *redis.Script, args []any) (any, error) {
	if s.wait == 0 || reads(script) {
		return script.Run(ctx, s.client, s.keys, args...).Result()
	}
	node, err := s.primary(ctx)
	if err != nil {
		return nil, err
	}
	for again := false; ; again = true {
		pipe := node.Pipeline()
		reply := pipe.EvalSha(ctx, script.Hash(), s.keys, args...)
		received := pipe.Do(ctx, "WAIT", s.wait, s.patience(ctx).Milliseconds())
		_, err := pipe.Exec(ctx)
		switch {
		case err == nil:
			if n, err := received.Int(); err != nil || n < s.wait {
				return nil, errTooFewReplicas
			}
			return reply.Result()
		case again || !redis.HasErrorPrefix(err, "NOSCRIPT"):
			return nil, err
		}
		if err := script.Load(ctx, node).Err(); err != nil {
			return nil, err
		}
	}
}

// errTooFewReplicas is the cause where too few replicas have received a write.
var errTooFewReplicas = errors.New("the write stands, but fewer replicas than Config.WaitReplicas have received it: call again")

// reads says whether a script only reads.
func reads(script *redis.Script) bool {
	return slices.Contains([]*redis.Script{lookScript, selectScript, pageScript, changesScript}, script)
}

// patience is how long to wait for replicas: a little less than the caller does, so that the connection is not lost over it.
func (s *Store) patience(ctx context.Context) time.Duration {
	within := s.within
	if deadline, ok := ctx.Deadline(); ok {
		within = min(within, time.Until(deadline)*9/10)
	}
	return max(within, time.Millisecond) // 0 would be for ever
}

// doer is a client of one server.
type doer interface {
	redis.Scripter
	Pipeline() redis.Pipeliner
	Info(ctx context.Context, sections ...string) *redis.StringCmd
	ConfigGet(ctx context.Context, parameter string) *redis.MapStringStringCmd
}

// primary returns a client of the server that holds the keys: in a cluster commands without a key go anywhere.
func (s *Store) primary(ctx context.Context) (doer, error) {
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		node, err := cluster.MasterForKey(ctx, s.keys[0])
		if err != nil {
			return nil, err
		}
		return node, nil
	}
	return s.client, nil
}
