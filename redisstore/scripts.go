package redisstore

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

// Every call is one script, and Redis runs one script at a time: nothing changes between what it reads and what it writes. Each begins with
// #!lua, so that a cluster refuses it a key of another slot instead of writing there.
//
// A script that makes records needs memory and is refused where the server has none left. One that ends something is not, and neither is a
// look-up: a store that is full must still be able to revoke, and to answer. (A MULTI of plain reads is somewhat faster than a script, and
// is refused by a server that is full.)

// flags of scripts.
const (
	needsMemory = "#!lua\n"
	endsThings  = "#!lua flags=allow-oom\n"
	onlyReads   = "#!lua flags=no-writes\n"
)

//go:embed scripts/marker.lua
var markerLua string

//go:embed scripts/store.lua
var storeLua string

var (
	//go:embed scripts/migrate.lua
	migrateLua string
	//go:embed scripts/reseed.lua
	reseedLua string
	//go:embed scripts/create.lua
	createLua string
	//go:embed scripts/rotate.lua
	rotateLua string
	//go:embed scripts/revoke.lua
	revokeLua string
	//go:embed scripts/select.lua
	selectLua string
	//go:embed scripts/page.lua
	pageLua string
	//go:embed scripts/look.lua
	lookLua string
	//go:embed scripts/touch.lua
	touchLua string
	//go:embed scripts/count.lua
	countLua string
	//go:embed scripts/delete.lua
	deleteLua string
	//go:embed scripts/session.lua
	sessionLua string
	//go:embed scripts/epoch.lua
	epochLua string
	//go:embed scripts/consume.lua
	consumeLua string
	//go:embed scripts/changes.lua
	changesLua string
)

// The scripts. A Script is loaded where a server does not know it yet, and called by its hash from then on.
var (
	migrateScript = redis.NewScript(needsMemory + markerLua + migrateLua)
	reseedScript  = redis.NewScript(endsThings + markerLua + reseedLua)

	createScript  = redis.NewScript(needsMemory + markerLua + storeLua + createLua)
	rotateScript  = redis.NewScript(needsMemory + markerLua + storeLua + rotateLua)
	startScript   = redis.NewScript(needsMemory + markerLua + storeLua + sessionLua)
	consumeScript = redis.NewScript(needsMemory + markerLua + storeLua + consumeLua)
	touchScript   = redis.NewScript(needsMemory + markerLua + storeLua + touchLua)

	revokeScript = redis.NewScript(endsThings + markerLua + storeLua + revokeLua)
	endScript    = redis.NewScript(endsThings + markerLua + storeLua + sessionLua)
	epochScript  = redis.NewScript(endsThings + markerLua + storeLua + epochLua)
	deleteScript = redis.NewScript(endsThings + markerLua + storeLua + deleteLua)
	countScript  = redis.NewScript(endsThings + markerLua + storeLua + countLua)

	lookScript    = redis.NewScript(onlyReads + markerLua + storeLua + lookLua)
	selectScript  = redis.NewScript(onlyReads + markerLua + storeLua + selectLua)
	pageScript    = redis.NewScript(onlyReads + markerLua + storeLua + pageLua)
	changesScript = redis.NewScript(onlyReads + markerLua + storeLua + changesLua)
)
