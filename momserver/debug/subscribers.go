package debug

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// roll is the page /subscribers. Durations are in seconds.
type roll struct {
	Time        time.Time    `json:"time"`
	Published   uint64       `json:"published"` // Seq of the newest event
	Subscribers []subscriber `json:"subscribers"`
	Dropped     []drop       `json:"dropped"` // the latest first
}

type subscriber struct {
	Name      string    `json:"name"`
	Identity  string    `json:"identity,omitempty"`
	Addr      string    `json:"addr"`
	Callback  string    `json:"callback,omitempty"`
	Since     time.Time `json:"since"`
	Next      uint64    `json:"next"`
	Lag       uint64    `json:"lag"`
	Credit    uint64    `json:"credit"`
	Delivered uint64    `json:"delivered"`
	Missed    uint64    `json:"missed"`
	InFlight  int       `json:"inFlight"`
	RTT       float64   `json:"rttSeconds"`
}

type drop struct {
	Time   time.Time        `json:"time"`
	Name   string           `json:"name"`
	Addr   string           `json:"addr"`
	Reason momserver.Reason `json:"reason"`
	Detail string           `json:"detail"`
	Lag    uint64           `json:"lag"`
}

func serveSubscribers(w http.ResponseWriter, srv *momserver.Server) {
	st := srv.Stats()
	page := roll{Time: time.Now().UTC(), Published: st.Published, Subscribers: []subscriber{}, Dropped: []drop{}}
	for _, s := range srv.Subscribers() {
		page.Subscribers = append(page.Subscribers, subscriber{
			Name: s.Name, Identity: wire.EscapeName(s.Identity), Addr: s.Addr, Callback: s.Callback, Since: s.Since.UTC(), Next: s.Next, Lag: s.Lag,
			Credit: s.Credit, Delivered: s.Delivered, Missed: s.Missed, InFlight: s.InFlight, RTT: s.RTT.Seconds(),
		})
	}
	for _, d := range slices.Backward(st.Dropped) {
		page.Dropped = append(page.Dropped, drop{Time: d.Time.UTC(), Name: d.Name, Addr: d.Addr, Reason: d.Reason, Detail: d.Detail, Lag: d.Lag})
	}
	writeJSON(w, &page)
}

// writeJSON writes v indented, so that people can read it too.
func writeJSON(w http.ResponseWriter, v any) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Write(append(data, '\n'))
}
