package replica

import "time"

// A copy that was restored, a standby that was promoted without its tail: a source may come back without its end. A full read that lacks
// what was known shows it.

// mostAhead is how far ahead of a store's clock a NotBefore may lie.
const mostAhead = 5 * time.Second

// A loss is what is known of a source that has lost its past. Until it is re-seeded, nothing but what is dead is said.
//
// Re-seeding ends all tokens from before the loss by Everyone's NotBefore. How to know that a NotBefore was made for that, and is not an
// older one that the copy still had? What was lost was known here, so it had happened before this replica last heard of the source, and a
// copy that lacks it was taken before that moment. A NotBefore of the copy's is thus no later than that moment, and the 5 s by which it may
// lie ahead. So one counts that is later than that; or, where the operator was quicker, one that was raised after the loss was seen here,
// to that moment or a later one. Either must be later than what was known before.
//
// Deaths that the source lost and that nobody here has seen are of tokens from before the loss, and the operator's moment is after it.
type loss struct {
	heard word      // the last of the source as it was
	shown time.Time // Everyone's NotBefore as the read that showed the loss left it
	seen  int64     // the wall clock when that had ended
}

// A word is what a source says last.
type word struct {
	at       int64     // the wall clock when it came
	everyone time.Time // Everyone's NotBefore by then
}

func (r *Replica) word(now moment) word {
	return word{now.wall, r.epochs.everyone.Load().NotBefore}
}

// endedBy says whether Everyone's NotBefore ends all tokens from before the loss.
func (l *loss) endedBy(notBefore time.Time) bool {
	quick := notBefore.After(l.shown) && notBefore.Unix() >= l.seen/int64(time.Second)
	return quick || notBefore.After(l.heard.everyone) && notBefore.After(time.Unix(0, l.heard.at).Add(mostAhead))
}

// settle holds a complete full read against what is known.
func (r *Replica) settle(m mark, began, now moment) {
	r.counters.loads.Add(1)
	missing := r.tokens.settle(m, began.wall) + r.sessions.settle(m, began.wall) + r.epochs.settle(m)
	r.shown, r.cutOff = m, false
	if r.live != nil {
		r.live.tokens.clear()
		r.live.sessions.clear()
	}
	if missing == 0 {
		return
	}
	if r.loss == nil {
		r.loss = &loss{heard: r.heard}
	}
	r.loss.shown, r.loss.seen = r.epochs.everyone.Load().NotBefore, now.wall
}
