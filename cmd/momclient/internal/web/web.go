// Package web shows a board in a browser: one page, which is embedded, and
// beside it the jobs, the events and the health as JSON.
//
// # What a browser gets
//
// The page is told of changes by server-sent events, a frame at most each
// [FrameTime] however many events there are: what changed since the frame that
// the browser had last, which it names itself, by Last-Event-ID when it comes
// back. Nothing is queued for a browser, so one that reads slowly gets fewer
// and larger frames, and one that does not read loses its connection after
// [WriteTimeout]. Neither holds up the events.
//
// # Who gets it
//
// Whoever can reach the address and is no foreign page: wrap the handler by
// guard.Handler. Nothing can be changed by way of it: only GET and HEAD are
// answered.
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
	"mom.internal/wire"
)

// The bounds of a Server.
const (
	FrameTime    = 200 * time.Millisecond // between two frames of a page
	BeatTime     = 4 * time.Second        // a page without news is told so
	WriteTimeout = 10 * time.Second       // a frame must be on its way by then
	MaxStreams   = 48                     // pages open at once
	maxIdle      = 8                      // states kept of pages that nobody has open, for who comes back

	MaxEvents     = 10_000   // kept for /api/events, as many as the server itself keeps
	MaxEventBytes = 16 << 20 // of these, as JSON
	maxAnswer     = 1000     // events in an answer
	maxAnswerSize = 4 << 20  // bytes of events in an answer, unless one alone has more
)

// Options sets up a Server.
type Options struct {
	// Board is what is shown.
	Board *board.Board
	// JSON encodes an event as the monitor does elsewhere.
	JSON func(*wire.Event) ([]byte, error)
}

// Server answers browsers and other programs. Its methods may be called from
// several goroutines; it starts none.
type Server struct {
	board *board.Board
	json  func(*wire.Event) ([]byte, error)
	life  string // names this process in cursors
	mux   *http.ServeMux

	events  events
	streams streams
}

// New returns a Server that has seen no event.
func New(opts Options) *Server {
	s := &Server{board: opts.Board, json: opts.JSON, life: newName(), mux: http.NewServeMux()}
	s.streams.topics = make(map[topicKey]*topic)
	files, _ := page.ReadDir("page")
	for _, f := range files {
		s.mux.Handle("/"+f.Name(), asset(f.Name()))
	}
	s.mux.Handle("/{$}", asset("index.html"))
	s.mux.HandleFunc("/api/live", s.live)
	s.mux.HandleFunc("/api/jobs", s.jobs)
	s.mux.HandleFunc("/api/events", s.serveEvents)
	s.mux.HandleFunc("/healthz", s.health)
	return s
}

// ServeHTTP answers GET and HEAD, with headers that keep the page to itself.
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
		http.Error(w, "only GET and HEAD: nothing can be changed here", http.StatusMethodNotAllowed)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// policy lets the page use what comes from here, and nothing else. Texts cannot
// become markup, as far as the browser knows of trusted types.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

//go:embed page
var page embed.FS

// build names the version of the page.
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

// jobs answers /api/jobs: everything that the overview shows.
func (s *Server) jobs(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.board.View())
}

// health answers /healthz: 200 while events come.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	c := s.board.Connection()
	code, status := http.StatusServiceUnavailable, "down"
	if c.Connected {
		code, status = http.StatusOK, "ok"
	}
	writeJSON(w, code, struct {
		Status     string           `json:"status"`
		Connection board.Connection `json:"connection"`
	}{status, c})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "this cannot be said in JSON: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(code)
	w.Write(append(text, '\n'))
}

// writeError answers a question that cannot be answered.
func writeError(w http.ResponseWriter, code int, message string) {
	writeJSON(w, code, struct {
		Error string `json:"error"`
	}{message})
}

// newName returns a name that no process has had.
func newName() string { return rand.Text()[:12] }
