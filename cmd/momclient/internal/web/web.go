// Package web shows boards in a browser. It has one page, which is embedded, and the
// jobs, the events and the health as JSON, and metrics for Prometheus. Only momclient
// uses it.
//
// # Servers
//
// Each board has the jobs of one server. A job is identified by the name of its server
// and its ID. In the stream, the index of the server stands for its name. If there is
// only one server, the page does not show its name.
//
// # Frames
//
// The page receives changes by server-sent events, at most one frame per
// [FrameTime], however many events there are. A frame has the changes since the
// last frame that the browser has; a browser that comes back names that frame by
// Last-Event-ID. Nothing is queued for a browser. So a browser that reads slowly
// gets fewer and larger frames, and one that does not read loses its connection
// after [WriteTimeout]. Neither delays the events. The more parts the state of a page
// has, the fewer frames there are per second.
//
// Only one tab of a browser has a stream, because browsers limit the connections to
// a host. Its other tabs ask for single frames.
//
// # Addresses
//
// All addresses in the page are relative, so that it can be below a path of a site.
//
// # Access
//
// Every program that can reach the handler may read, so serve it by package pages.
// Nothing can be changed: the handler answers only GET and HEAD.
//
// # Bounds
//
// See the constants, and those of package board.
package web

import (
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"path"
	"strconv"
	"time"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/notify"
	"mom.internal/cmd/momclient/internal/outbox"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/wire"
)

// The bounds of a Server.
const (
	FrameTime    = 200 * time.Millisecond // the time between two frames of a page
	BeatTime     = 4 * time.Second        // a page without news gets a heartbeat
	WriteTimeout = 10 * time.Second       // for the write of a frame
	MaxStreams   = 48                     // streams that are open at once
	maxIdle      = 16                     // topics that are kept of pages without a stream, for browsers that come back or ask for single frames

	MaxEvents     = 10_000   // events kept for /api/events, as many as a server caches
	MaxEventBytes = 16 << 20 // bytes of these events as JSON
	maxAnswer     = 1000     // events in an answer
	maxAnswerSize = 4 << 20  // bytes of events in an answer, unless a single event has more
)

// Options sets up a Server.
type Options struct {
	// Boards are the boards to show, one for each server.
	Boards []*board.Board
	// JSON encodes an event as -o json does.
	JSON func(*wire.Event) ([]byte, error)
	// Runs is the history of the runs of these servers, and perhaps of others.
	Runs *runlog.Log
	// Unfinished has the runs that were unfinished when an earlier monitor
	// ended.
	Unfinished []outbox.Run
	// Receivers returns the state of the receivers of messages.
	Receivers func() []notify.Status
}

// Server answers browsers and other programs. Its methods may be called from
// several goroutines; it starts none.
type Server struct {
	boards    []*board.Board
	json      func(*wire.Event) ([]byte, error)
	runs      *runlog.Log
	receivers func() []notify.Status
	restored  []outbox.Run // Options.Unfinished
	began     time.Time
	life      string // the name of this process in cursors
	mux       *http.ServeMux

	events  events
	streams streams
	recent  recent
}

// New returns a Server without events.
func New(opts Options) *Server {
	s := &Server{boards: opts.Boards, json: opts.JSON, runs: opts.Runs, receivers: opts.Receivers, restored: opts.Unfinished, began: time.Now(), life: newName(), mux: http.NewServeMux()}
	s.streams.topics = make(map[topicKey]*topic)
	files, _ := page.ReadDir("page")
	for _, f := range files {
		s.mux.Handle("/"+f.Name(), asset(f.Name()))
	}
	s.mux.Handle("/{$}", asset("index.html"))
	s.mux.HandleFunc("/api/live", s.live)
	s.mux.HandleFunc("/api/jobs", s.jobs)
	s.mux.HandleFunc("/api/events", s.serveEvents)
	s.mux.HandleFunc("/api/runs", s.serveRuns)
	s.mux.HandleFunc("/api/notify", s.serveReceivers)
	s.mux.HandleFunc("/healthz", s.health)
	s.mux.HandleFunc("/metrics", s.serveMetrics)
	return s
}

// ServeHTTP answers GET and HEAD, with headers that protect the page from other
// sites.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Security-Policy", policy)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("X-Frame-Options", "DENY")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		head.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are allowed", http.StatusMethodNotAllowed)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// policy lets the page load only its own files. Texts cannot become markup in
// browsers that support trusted types.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

//go:embed page
var page embed.FS

// build is a hash of the page, so that an open page finds out that the monitor
// has another version.
var build = func() string {
	sum := sha256.New()
	files, _ := page.ReadDir("page")
	for _, f := range files {
		text, _ := page.ReadFile("page/" + f.Name())
		sum.Write(text)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}()

var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
}

// asset serves a file of the page.
func asset(name string) http.Handler {
	text, _ := page.ReadFile("page/" + name)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Cache-Control", "no-cache")
		head.Set("ETag", `"`+build+`"`)
		if r.Header.Get("If-None-Match") == `"`+build+`"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		head.Set("Content-Type", contentTypes[path.Ext(name)])
		head.Set("Content-Length", strconv.Itoa(len(text)))
		w.Write(text)
	})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "cannot be encoded as JSON: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(code)
	w.Write(append(text, '\n'))
}

// writeError answers a bad request.
func writeError(w http.ResponseWriter, code int, message string) {
	writeJSON(w, code, struct {
		Error string `json:"error"`
	}{message})
}

// newName returns a random name for this process.
func newName() string { return rand.Text()[:12] }
