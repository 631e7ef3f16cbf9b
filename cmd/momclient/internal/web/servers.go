package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/momclient/jobs"
)

// version changes with every event and every status of all servers.
func (s *Server) version() (sum uint64) {
	for _, b := range s.boards {
		sum += b.Version()
	}
	return sum
}

// index returns the index of the server with this name, or -1.
func (s *Server) index(server string) int {
	return slices.IndexFunc(s.boards, func(b *board.Board) bool { return b.Name() == server })
}

// jobsAnswer is the answer to /api/jobs. If there is one server, it is the view of
// its board; stream and connection are those of the first server.
type jobsAnswer struct {
	Now        time.Time          `json:"now"`
	Version    uint64             `json:"version"`
	Stream     jobs.Stream        `json:"stream"`
	Counts     jobs.Counts        `json:"counts"`
	Jobs       []jobOf            `json:"jobs"` // running ones first, and later ones before earlier ones
	Forgotten  int                `json:"forgotten"`
	Problems   []entryOf          `json:"problems"` // the newest first
	Connection board.Connection   `json:"connection"`
	Servers    []board.Connection `json:"servers"` // in the order of -addr
}

type jobOf struct {
	Server string `json:"server"`
	jobs.Job
}

type entryOf struct {
	Server string `json:"server"`
	jobs.LogEntry
}

// jobs answers /api/jobs with the views of all boards.
func (s *Server) jobs(w http.ResponseWriter, _ *http.Request) {
	a := jobsAnswer{Jobs: []jobOf{}, Problems: []entryOf{}}
	for i, b := range s.boards {
		v := b.View()
		if i == 0 {
			a.Stream, a.Connection = v.Stream, v.Connection
		}
		a.Now = v.Now
		a.Version += v.Version
		a.Forgotten += v.Forgotten
		a.Servers = append(a.Servers, v.Connection)
		for _, j := range v.Jobs {
			a.Counts.Add(&j.Run)
			a.Jobs = append(a.Jobs, jobOf{b.Name(), j})
		}
		for _, e := range v.Problems {
			a.Problems = append(a.Problems, entryOf{b.Name(), e})
		}
	}
	if len(s.boards) > 1 { // each view is sorted already
		slices.SortStableFunc(a.Jobs, func(x, y jobOf) int {
			if x.Run.Running != y.Run.Running {
				return cmp.Compare(btoi(y.Run.Running), btoi(x.Run.Running))
			}
			return y.Run.LastChange.Compare(x.Run.LastChange)
		})
		slices.SortStableFunc(a.Problems, func(x, y entryOf) int { return y.Time.Compare(x.Time) })
		a.Problems = a.Problems[:min(len(a.Problems), jobs.MaxProblems)]
	}
	writeJSON(w, http.StatusOK, a)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// health answers /healthz: 200 while the monitor is connected to all servers, or to
// the one in the query, otherwise 503.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	asked := s.boards
	if query := r.URL.Query(); query.Has("server") {
		i := s.index(query.Get("server"))
		if i < 0 {
			writeError(w, http.StatusNotFound, fmt.Sprintf("no server has the name %q", query.Get("server")))
			return
		}
		asked = s.boards[i : i+1]
	}
	code, status, up := http.StatusServiceUnavailable, "down", 0
	var all []board.Connection
	for _, b := range asked {
		c := b.Connection()
		all = append(all, c)
		up += btoi(c.Connected)
	}
	switch up {
	case len(all):
		code, status = http.StatusOK, "ok"
	case 0:
	default:
		status = "degraded"
	}
	writeJSON(w, code, struct {
		Status     string             `json:"status"`
		Connection board.Connection   `json:"connection"` // to the first one
		Servers    []board.Connection `json:"servers"`
	}{status, all[0], all})
}
