package debug

import (
	"bytes"
	"net/http"
	"time"
)

// A page of figures costs more if there are more subscribers and jobs, and the server
// waits while they are copied. The whole program waits while the stacks of its
// goroutines are copied for a profile. So these pages are made one at a time, and a
// rest follows each. The rest is restAfterPage times as long as the page took, and
// maxRest at most. All requests together then take about a quarter of one processor,
// as long as no page takes more than 7 ms.
const (
	restAfterPage = 3
	maxRest       = 20 * time.Millisecond
)

// inTurns returns a function that makes handlers from functions that make pages. Of the
// pages of these handlers, one is made at a time. A client that reads slowly does not
// hold up the others.
func inTurns() func(page http.HandlerFunc) http.HandlerFunc {
	turn := make(chan struct{}, 1)
	return func(page http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			select {
			case turn <- struct{}{}:
			case <-r.Context().Done():
				return
			}
			began := time.Now()
			made := &madePage{ResponseWriter: w}
			func() {
				defer func() { // a panic of page ends the turn as well
					time.AfterFunc(min(restAfterPage*time.Since(began), maxRest), func() { <-turn })
				}()
				page(made, r)
			}()
			w.Write(made.body.Bytes())
		}
	}
}

// madePage keeps the body of a page until all of it is made.
type madePage struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (m *madePage) Write(p []byte) (int, error) { return m.body.Write(p) }
