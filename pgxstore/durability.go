package pgxstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// What the server promises depends on its settings, and on those of the role, the database and the connection above them. So a connection
// is asked what holds for itself.

// ErrNotDurable is what CheckDurability wraps if a write that was acknowledged may be lost.
var ErrNotDurable = errors.New("pgxstore: an acknowledged write may be lost")

// A setting of the server, in words for the log.
type setting struct {
	name, lossy string // lossy: the value with which writes are lost
	kept, lost  string // what the value means
}

var settings = []setting{
	{"synchronous_commit", "off", "a write is flushed to the disk before it is acknowledged", "a crash forgets the last writes"},
	{"fsync", "off", "what is flushed reaches the disk", "a crash of the system or a power loss damages the database"},
	{"full_page_writes", "off", "a page that was half written is made whole again",
		"a crash of the system or a power loss damages the database"},
}

// CheckDurability reports, a line for the log each, what the server promises a connection of this store. The error wraps ErrNotDurable if a
// write that was acknowledged may be lost by a kill -9, a crash of the system or a power loss; whether to go on is the caller's to decide.
// It wraps tokenauth.ErrUnavailable if the server does not answer, or has no tables yet.
//
// It does not know whether the disk keeps what it says it has written. That a standby which follows asynchronously may be promoted without
// the last writes it says, and takes it for durable.
func (s *Store) CheckDurability(ctx context.Context) ([]string, error) {
	var lines []string
	durable := true
	err := s.lend(ctx, func(conn *pgx.Conn) error {
		lines, durable = nil, true
		values := make([]string, len(settings))
		var standbys, unlogged string
		err := conn.QueryRow(ctx, `SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes'),
			current_setting('synchronous_standby_names'), coalesce((SELECT string_agg(c.relname, ', ') FROM pg_class c WHERE c.relpersistence <> 'p'
				AND c.oid IN ('ta_meta'::regclass, 'ta_token'::regclass, 'ta_dead'::regclass, 'ta_session'::regclass, 'ta_once'::regclass)), '')`).
			Scan(&values[0], &values[1], &values[2], &standbys, &unlogged)
		if err != nil {
			return driverError(err)
		}
		for i, setting := range settings {
			line := fmt.Sprintf("%s = %s: durable, %s", setting.name, values[i], setting.kept)
			if values[i] == setting.lossy {
				line, durable = fmt.Sprintf("%s = %s: NOT durable, %s", setting.name, values[i], setting.lost), false
			}
			lines = append(lines, line)
		}
		if unlogged != "" {
			lines, durable = append(lines, "unlogged tables: NOT durable, a crash empties "+unlogged), false
		}
		lines = append(lines, standbyLine(standbys, values[0]))
		return nil
	})
	if err == nil && !durable {
		err = ErrNotDurable
	}
	return lines, err
}

// standbyLine says what a failover keeps: which standbys are waited for, and whether this connection's commits wait, is told by two settings.
func standbyLine(names, commit string) string {
	waits := map[string]string{
		"remote_write": "in memory: a crash of both machines may lose it",
		"on":           "on its disk",
		"remote_apply": "on its disk, and shows it",
	}[commit]
	switch {
	case names == "":
		return "synchronous_standby_names is empty: durable on this server, and a standby that is promoted in its place may lack the last writes"
	case waits == "":
		return fmt.Sprintf("synchronous_standby_names = %s: no write waits for them, since synchronous_commit = %s; "+
			"a standby that is promoted in this server's place may lack the last writes", names, commit)
	}
	return fmt.Sprintf("synchronous_standby_names = %s: durable, a write is acknowledged when a standby has it as well, %s", names, waits)
}
