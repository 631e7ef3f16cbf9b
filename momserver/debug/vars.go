package debug

import (
	"net/http"
	"os"
	"runtime"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// vars is the page /debug/vars: an object with a member for each variable, as
// expvar writes it. It does not use expvar, because importing that registers on
// [http.DefaultServeMux].
type vars struct {
	Cmdline    []string         `json:"cmdline"`
	Goroutines int              `json:"goroutines"`
	MemStats   runtime.MemStats `json:"memstats"`
	Server     momserver.Stats  `json:"momserver"` // durations are in nanoseconds
}

func serveVars(w http.ResponseWriter, srv *momserver.Server) {
	v := vars{Goroutines: runtime.NumGoroutine(), Server: srv.Stats()}
	for _, arg := range os.Args {
		v.Cmdline = append(v.Cmdline, wire.EscapeName(arg))
	}
	runtime.ReadMemStats(&v.MemStats)
	writeJSON(w, &v)
}
