package redisstore

import (
	"context"
	"crypto/rand"

	"github.com/a74cfa30/tokenauth"
)

// What the store keeps. <> is a name as it is: Redis takes any bytes.
//
//	{prefix}:meta          hash   the marker: generation, schema, reseeded, seq; how many deaths there are; the reason of the last Reseed;
//	                              how many should be in each set that is named <kind>:<> below, and how far that has been counted, and
//	                              whether they are incomplete until it has been
//	{prefix}:t:<id>        hash   a record: body, exp and place, which never change; ret, suc, pre, rev, revby, why once they are set
//	{prefix}:all           set    the ids of all records; sub:<subject>, own:<owner>, by:<created_by>, par:<parent_id> and
//	                              sid:<session_id>: of some. All scores are 0, so that they are ordered by id, bytewise
//	{prefix}:exp           set    the ids of all records, by expires_at
//	{prefix}:used          hash   id: last_used_at
//	{prefix}:dead          set    what has died, by the seq of the write that said so last: what a replica is fed from
//	{prefix}:deadv         hash   the same: dead_from,expires,min_version. 0:<id> is a token, 1:<bytes>:<subject><sid> a session,
//	                              2:<subject> an epoch
//	{prefix}:overs         set    the dead sessions, by when they may be forgotten
//	{prefix}:s:<subject>   set    the subject's sessions, by their until
//	{prefix}:untils        set    all sessions, by their until
//	{prefix}:o:<key>       text   a used one-time key: which call has used it. The only key with a time to live
//	{prefix}:wake          channel, of shard messages: something has died
//
// The marker comes into being by an explicit call only. If a write made it where it is missing, a store that has lost everything would look
// like a new one, and whatever had been revoked would count again.

// schemaVersion is the schema this program knows. Since 2 the marker counts the rows of deadv, since 3 the members of the indexes.
const schemaVersion = 3

// Migrate writes the marker if the store never had one, or brings a store of an older version up to date. It does nothing to a store that
// is up to date, so it may be called at every start and by several processes at once. It changes nothing in a store that this process would
// not believe.
//
// ErrUnavailable: the schema is newer than this program; the marker is gone and data is left, or it was seen by this process or expected by
// Config and is not there, which is a loss: see Reseed; the server may evict keys; or it does not answer. A server that lost all it held
// looks like a new one: see Config.ExpectGeneration.
//
// A process of an older version answers ErrUnavailable from then on. Bringing a store up to date counts its records and sessions, 500 in a
// step and about 10 µs each, and others read and write meanwhile; an index that was lost before is made again, and one that is lost before
// it is counted may not be noticed. Sessions that were lost from their subject's are ended: who asked for that was told that all is done.
// Where it is interrupted, the next Migrate goes on.
func (s *Store) Migrate(ctx context.Context) error {
	if err := s.inUse(ctx); err != nil {
		return err
	}
	if _, err := s.checkServer(ctx); err != nil {
		return err
	}
	before, generation := s.believed()
	m, _, err := s.call(ctx, migrateScript, []any{rand.Text(), schemaVersion, generation, before.seq, before.reseeded})
	if err != nil {
		return err
	}
	if err := s.watch.check(before, m); err != nil {
		return err
	}
	return s.count(ctx)
}

// count has the members of the indexes counted that are not, in steps of 500 records or sessions.
func (s *Store) count(ctx context.Context) error {
	for {
		if r, err := s.run(ctx, countScript, batch); err != nil || r.text(0) == "" {
			return err
		}
	}
}

// Reseed declares the store as it is to be the store from now on. It is an operator's act, after a loss: the server came back empty, or
// with older data, and every process that noticed answers ErrUnavailable. It begins a new generation, and raises the NotBefore of everyone
// to now, in one step: every token issued before is dead, because nobody knows which of them had been revoked. reason is for people, at
// most 4 KiB.
//
// So it helps only where verifiers enforce epochs. Elsewhere replace the signing keys as well. Of what is kept in two keys, the feed and the
// list of all records, it makes again what was lost of one of them, in one step that takes as long as they are large. Afterwards it counts,
// and makes again, the indexes, as Migrate does: all else has taken effect by then, and if that is interrupted, Migrate goes on with it.
// Until it is done Revoke, RevokeAll and EndSessions end what they find and answer ErrUnavailable, and so does a List of some records:
// nobody knows what was lost. DeleteExpired drops none meanwhile.
//
// ErrInvalidRequest: reason is empty or no text. ErrUnavailable: the schema is newer than this program, or the server does not answer.
func (s *Store) Reseed(ctx context.Context, reason string) error {
	if err := s.inUse(ctx); err != nil {
		return err
	}
	now := s.now()
	if reason == "" {
		return invalid("reason: empty")
	}
	if err := (tokenauth.Revocation{At: now, Reason: reason}).Validate(); err != nil {
		return err
	}
	before, _ := s.watch.seen()
	m, _, err := s.call(ctx, reseedScript, []any{rand.Text(), schemaVersion, reason, now.UnixMicro(), before.reseeded + 1, stamp(second(now))})
	if err != nil {
		return err
	}
	if err := s.watch.check(before, m); err != nil {
		return err
	}
	return s.count(ctx)
}

// Generation returns the name of the store's generation, for Config.ExpectGeneration: a random text that Migrate or Reseed gave it, and when
// Reseed did.
func (s *Store) Generation(ctx context.Context) (string, error) {
	r, err := s.look(ctx, "nothing")
	if err != nil {
		return "", err
	}
	return r.marker.name(), nil
}
