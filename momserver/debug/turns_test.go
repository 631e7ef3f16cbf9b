package debug

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// stuckWriter is the response to a client that reads nothing.
type stuckWriter struct{ http.ResponseWriter }

func (stuckWriter) Write([]byte) (int, error) {
	time.Sleep(time.Hour)
	return 0, io.ErrClosedPipe
}

// TestInTurns: pages are made one at a time, and a rest follows each. Neither a
// client that reads nothing nor one that has left holds up the others.
func TestInTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := inTurns()
		page := turns(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(2 * time.Millisecond)
			io.WriteString(w, "made")
		})
		other := turns(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		gone, leave := context.WithCancel(t.Context())
		ask := func(h http.HandlerFunc, ctx context.Context, w http.ResponseWriter) {
			defer func() { recover() }()
			h(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
		}
		start := time.Now()
		go ask(page, t.Context(), stuckWriter{httptest.NewRecorder()})
		synctest.Wait()
		go ask(page, gone, stuckWriter{httptest.NewRecorder()})
		synctest.Wait()
		go ask(other, t.Context(), httptest.NewRecorder())
		synctest.Wait()
		leave()
		w := httptest.NewRecorder()
		if ask(page, t.Context(), w); w.Body.String() != "made" || time.Since(start) != 10*time.Millisecond {
			t.Errorf("%q after %v", w.Body, time.Since(start))
		}
		time.Sleep(time.Hour)
	})
}
