package debug

import (
	"net/http"
	"os"
	"runtime"

	"mom.internal/momserver"
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
	v := vars{Cmdline: os.Args, Goroutines: runtime.NumGoroutine(), Server: srv.Stats()}
	runtime.ReadMemStats(&v.MemStats)
	writeJSON(w, &v)
}
