package redisstore

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// An epoch only ever moves forward and is never dropped. It is a row of the feed, kind 2: what a verifier asks here and what a replica is
// told is one and the same.

// maxAhead is how far a NotBefore may lie ahead of the store's clock: enough for two clocks to differ by, and too little to lock anybody
// out.
const maxAhead = 5 * time.Second

// Epoch returns subject's epoch, merged with everyone's; the zero Epoch if neither ever moved. ErrInvalidRequest: subject is no name.
func (s *Store) Epoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	if err := tokenauth.CheckSubject("subject", subject); err != nil {
		return tokenauth.Epoch{}, err
	}
	r, err := s.look(ctx, "epoch", subject)
	if err != nil {
		return tokenauth.Epoch{}, err
	}
	var epochs [2]tokenauth.Epoch
	for i := range epochs {
		if row := r.text(i); row != "" {
			d, err := deathOf(row)
			if err != nil {
				return tokenauth.Epoch{}, err
			}
			epochs[i] = tokenauth.Epoch{MinVersion: d.version, NotBefore: d.from}
		}
	}
	return tokenauth.Epoch{MinVersion: epochs[0].MinVersion, NotBefore: later(epochs[0].NotBefore, epochs[1].NotBefore)}, nil
}

// BumpEpoch adds one to subject's MinVersion and returns its epoch. ErrInvalidRequest: subject is no name, or Everyone. Where the answer
// was lost on its way the client may try again, and then it is two.
func (s *Store) BumpEpoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	if subject == tokenauth.Everyone {
		return tokenauth.Epoch{}, invalid("subject: everyone has no version")
	}
	return s.move(ctx, subject, 1, "")
}

// RaiseNotBefore moves subject's NotBefore, or Everyone's, to t, cut to whole seconds, unless it is there already, and returns the epoch.
// ErrInvalidRequest: subject is no name, t is not set or more than 5 s ahead.
func (s *Store) RaiseNotBefore(ctx context.Context, subject string, t time.Time) (tokenauth.Epoch, error) {
	if err := s.inUse(ctx); err != nil {
		return tokenauth.Epoch{}, err
	}
	if err := tokenauth.CheckMoment("not_before", t); err != nil {
		return tokenauth.Epoch{}, err
	}
	if t.After(s.now().Add(maxAhead)) {
		return tokenauth.Epoch{}, invalid("not_before: more than 5 s ahead")
	}
	return s.move(ctx, subject, 0, stamp(second(t)))
}

// move adds to the version that is kept under subject, raises its NotBefore, and returns its epoch.
func (s *Store) move(ctx context.Context, subject string, more int, notBefore string) (tokenauth.Epoch, error) {
	if err := tokenauth.CheckSubject("subject", subject); err != nil {
		return tokenauth.Epoch{}, err
	}
	r, err := s.run(ctx, epochScript, subject, more, notBefore, s.fence())
	if err != nil {
		return tokenauth.Epoch{}, err
	}
	version, err := strconv.ParseInt(r.text(0), 10, 64)
	own, ok := moment(r.text(1))
	everyones, good := moment(r.text(2))
	if err != nil || !ok || !good {
		return tokenauth.Epoch{}, damaged("epoch")
	}
	return tokenauth.Epoch{MinVersion: version, NotBefore: later(own, everyones)}, nil
}

// A death is a row of the feed.
type death struct {
	from, until time.Time // the zero Time: not set
	version     int64
}

// deathOf reads a row of the feed.
func deathOf(row string) (d death, err error) {
	from, rest, _ := strings.Cut(row, ",")
	until, version, _ := strings.Cut(rest, ",")
	var ok, good bool
	d.from, ok = moment(from)
	d.until, good = moment(until)
	if d.version, err = strconv.ParseInt(version, 10, 64); err != nil || !ok || !good {
		return d, damaged("feed")
	}
	return d, nil
}
