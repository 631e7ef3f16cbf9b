// Package debug serves the inside of a MoM server over HTTP: metrics, health,
// subscribers and profiles.
//
// The program that embeds the server mounts the handler where it likes:
//
//	mux.Handle("/mom/", http.StripPrefix("/mom", debug.Handler(srv)))
//
// Nothing is registered globally: neither on [http.DefaultServeMux], nor in
// expvar, nor with a metrics library. This is a package of its own, so that a
// program that serves none of it links none of it.
//
// # Who may see it
//
// The handler lets everybody in. It shows names of jobs, names and addresses of
// subscribers, the command line and the program's memory profile, and a CPU profile
// takes processor time. So it belongs on a loopback address, or behind the same guard
// as the program's other internal pages. On a loopback address that browsers of
// the machine can reach, the HTTP server should refuse requests with an unknown
// Host; otherwise a page from elsewhere can read it, by a name that changes its
// address.
package debug

import (
	"fmt"
	"io"
	"net/http"

	"mom.internal/momserver"
)

// Handler returns the pages about srv:
//
//	/              links to the others
//	/metrics       the Prometheus text format, 0.0.4; for single jobs, only for the 1000 that changed last
//	/healthz       200 while the server serves, otherwise 503 and why not
//	/subscribers   the subscribers, and how the latest subscriptions ended, as JSON
//	/debug/vars    command line, memory and momserver.Stats, as JSON in expvar's form
//	/debug/pprof/  profiles, for go tool pprof and go tool trace
//
// Only GET and HEAD are allowed. The pages work before Serve and after Close as
// well.
func Handler(srv *momserver.Server) http.Handler {
	mux := http.NewServeMux()
	turns := inTurns()
	mux.HandleFunc("GET /{$}", index)
	mux.HandleFunc("GET /metrics", turns(func(w http.ResponseWriter, _ *http.Request) { serveMetrics(w, srv) }))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { serveHealth(w, srv) })
	mux.HandleFunc("GET /subscribers", turns(func(w http.ResponseWriter, _ *http.Request) { serveSubscribers(w, srv) }))
	mux.HandleFunc("GET /debug/vars", turns(func(w http.ResponseWriter, _ *http.Request) { serveVars(w, srv) }))
	handleProfiles(mux, turns)
	return confined(mux)
}

// confined keeps what is served to the client that asked: no page of another
// origin may embed it, no cache keeps it, and no browser takes it for another
// type.
func confined(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Cache-Control", "no-store")
		head.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		head.Set("X-Content-Type-Options", "nosniff")
		h.ServeHTTP(w, r)
	})
}

// page is the head of the HTML pages. Their links are relative, because the
// handler does not know where it is mounted.
const page = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
`

func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, page+`<title>MoM server</title>
<h1>MoM server</h1>
<ul>
<li><a href="metrics">metrics</a>: for Prometheus
<li><a href="healthz">healthz</a>: whether the server serves
<li><a href="subscribers">subscribers</a>, and how the latest subscriptions ended
<li><a href="debug/vars">debug/vars</a>: all figures
<li><a href="debug/pprof/">debug/pprof</a>: profiles
</ul>
`)
}

func serveHealth(w http.ResponseWriter, srv *momserver.Server) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err := srv.Health(); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, err)
		return
	}
	fmt.Fprintln(w, "ok")
}
