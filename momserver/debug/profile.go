package debug

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"strings"
	"time"
)

// profile.go serves what go tool pprof and go tool trace ask for. It does not
// use net/http/pprof, because importing that registers on http.DefaultServeMux.

// maxRecording bounds a CPU profile or a trace. graceWriting is the time for
// writing it afterwards.
const (
	maxRecording = 5 * time.Minute
	graceWriting = 30 * time.Second
)

func handleProfiles(mux *http.ServeMux, turns func(http.HandlerFunc) http.HandlerFunc) {
	mux.HandleFunc("GET /debug/pprof", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "pprof/") // relative, because the mux does not know where it is mounted
		w.WriteHeader(http.StatusMovedPermanently)
	})
	mux.HandleFunc("GET /debug/pprof/{$}", turns(serveProfiles))
	mux.HandleFunc("GET /debug/pprof/{name}", turns(serveProfile))
	mux.HandleFunc("GET /debug/pprof/cmdline", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, strings.Join(os.Args, "\x00"))
	})
	mux.HandleFunc("GET /debug/pprof/profile", func(w http.ResponseWriter, r *http.Request) {
		record(w, r, "profile", 30*time.Second, pprof.StartCPUProfile, pprof.StopCPUProfile)
	})
	mux.HandleFunc("GET /debug/pprof/trace", func(w http.ResponseWriter, r *http.Request) {
		record(w, r, "trace", time.Second, trace.Start, trace.Stop)
	})
}

// serveProfiles lists the profiles.
func serveProfiles(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, page+"<title>Profiles</title>\n<h1>Profiles</h1>\n<ul>\n")
	for _, p := range pprof.Profiles() {
		name := html.EscapeString(p.Name())
		fmt.Fprintf(w, "<li><a href=\"%s?debug=1\">%s</a>: %d\n", name, name, p.Count())
	}
	io.WriteString(w, `<li><a href="goroutine?debug=2">all goroutines</a>, with their stacks
<li><a href="profile?seconds=10">CPU</a> for 10 seconds, for go tool pprof
<li><a href="trace?seconds=1">trace</a> of a second, for go tool trace
<li><a href="cmdline">command line</a>
</ul>
`)
}

// serveProfile writes a profile of what has been gathered so far.
func serveProfile(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	p := pprof.Lookup(name)
	if p == nil {
		http.Error(w, "no such profile; /debug/pprof/ lists them", http.StatusNotFound)
		return
	}
	if r.FormValue("seconds") != "" {
		http.Error(w, "seconds is for profile and trace; compare two profiles with go tool pprof -base", http.StatusBadRequest)
		return
	}
	debug, _ := strconv.Atoi(r.FormValue("debug"))
	if name == "heap" && r.FormValue("gc") != "" && r.FormValue("gc") != "0" {
		runtime.GC()
	}
	if debug > 0 {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	} else {
		asFile(w, name)
	}
	p.WriteTo(w, debug)
}

// record writes what start records from now on, until the time that the request
// asks for is over or the client has gone.
func record(w http.ResponseWriter, r *http.Request, name string, standard time.Duration, start func(io.Writer) error, stop func()) {
	length, ok := recording(r.FormValue("seconds"), standard)
	if !ok {
		http.Error(w, fmt.Sprintf("want seconds above 0, and at most %v", maxRecording.Seconds()), http.StatusBadRequest)
		return
	}
	// It fails if the server has no deadline to extend.
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(length + graceWriting))
	asFile(w, name)
	if err := start(w); err != nil {
		w.Header().Del("Content-Disposition")
		http.Error(w, fmt.Sprintf("cannot record now; try again when the other recording is over: %v", err), http.StatusConflict)
		return
	}
	defer stop()
	ctx, cancel := context.WithTimeout(r.Context(), length)
	defer cancel()
	<-ctx.Done()
}

// recording returns for how long a request asks to record; false if that is out
// of bounds.
func recording(text string, standard time.Duration) (time.Duration, bool) {
	if text == "" {
		return standard, true
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0 && n <= maxRecording.Seconds()) {
		return 0, false
	}
	return time.Duration(n * float64(time.Second)), true
}

// asFile makes the response a file that no browser shows.
func asFile(w http.ResponseWriter, name string) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
}
