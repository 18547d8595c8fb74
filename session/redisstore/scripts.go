package redisstore

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

// The answers of scripts that are strings.
const (
	answerEnded   = "ended"
	answerReused  = "reused"
	answerRefused = "refused"
)

// answerRotated is the answer to most refreshes. It is a number, for which the client allocates nothing.
const answerRotated = int64(1)

var (
	//go:embed lua/start.lua
	startLua string
	//go:embed lua/rotate.lua
	rotateLua string
	//go:embed lua/end.lua
	endLua string
	//go:embed lua/endall.lua
	endAllLua string
	//go:embed lua/reserve.lua
	reserveLua string
	//go:embed lua/reserveaccount.lua
	reserveAccountLua string
	//go:embed lua/settle.lua
	settleLua string

	startScript       = redis.NewScript(startLua)
	rotateScript      = redis.NewScript(rotateLua)
	rotateHash    any = rotateScript.Hash() // of this type, so that no call has to convert it
	endScript         = redis.NewScript(endLua)
	endAllScript      = redis.NewScript(endAllLua)
	reserveScript     = redis.NewScript(reserveLua)
	settleScript      = redis.NewScript(settleLua)

	reserveAccountScript = redis.NewScript(reserveAccountLua)
)
