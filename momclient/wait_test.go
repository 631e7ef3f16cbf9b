package momclient_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest"
)

// waiting is a server and a client, and at most one call of Wait.
type waiting struct {
	t      *testing.T
	net    wiretest.Network
	srv    *momserver.Server
	client *momclient.Client
	cancel context.CancelFunc
	result chan string
}

const waitAddr = "mem:7420"

// inWait runs a test in a bubble, with a server that has started.
func inWait(t *testing.T, cfg momserver.Config, opts momclient.Options, test func(w *waiting)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &waiting{t: t}
		w.serve(cfg)
		opts.DialContext, opts.Period = w.net.DialContext, time.Second
		w.client = momclient.New(waitAddr, opts)
		defer func() {
			w.client.Close()
			w.srv.Close()
		}()
		test(w)
	})
}

// serve starts a server in place of the last one, which is killed.
func (w *waiting) serve(cfg momserver.Config) {
	w.t.Helper()
	w.kill()
	w.srv = momserver.New(cfg)
	l, err := w.net.Listen(waitAddr)
	if err != nil {
		w.t.Fatal(err)
	}
	go w.srv.Serve(l)
	synctest.Wait()
}

func (w *waiting) kill() {
	w.net.Cut()
	if w.srv != nil {
		w.srv.Close()
	}
}

// job starts a run of the job with the name.
func (w *waiting) job(name string) *momserver.Job {
	w.t.Helper()
	j, err := w.srv.StartJob(momserver.JobID(name), wire.InitializeData{Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return j
}

// wait calls Wait, and returns when the call waits.
func (w *waiting) wait(names ...string) {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.cancel, w.result = cancel, make(chan string, 1)
	go func() {
		runs, err := w.client.Wait(ctx, names...)
		var list []string
		for _, r := range runs {
			list = append(list, fmt.Sprintf("%s %v%s", r.Name, r.Outcome, r.Lost))
		}
		w.result <- fmt.Sprintf("%s, %v$", strings.Join(list, "; "), err)
	}()
	synctest.Wait()
}

func (w *waiting) waits() {
	w.t.Helper()
	synctest.Wait()
	select {
	case got := <-w.result:
		w.t.Fatalf("Wait has returned %s", got)
	default:
	}
}

// returns checks what Wait returns within a time, up to the error.
func (w *waiting) returns(within time.Duration, want string) {
	w.t.Helper()
	select {
	case got := <-w.result:
		if !strings.HasPrefix(got, want) {
			w.t.Errorf("Wait returned %s; want %s", got, want)
		}
	case <-time.After(within + 1):
		w.t.Errorf("Wait has not returned within %v", within)
		w.cancel()
		<-w.result
	}
	w.cancel()
}

// answered is the time in which a server answers the end of a subscription.
const answered = 100 * time.Millisecond

// TestWaitNamed waits for a run of each job, given by name or ID. What ended before
// does not count, nor do further runs.
func TestWaitNamed(t *testing.T) {
	inWait(t, momserver.Config{}, momclient.Options{}, func(w *waiting) {
		w.job("site").Complete()
		w.wait("site", momserver.JobID("photos").String())
		time.Sleep(time.Hour)
		w.job("other").Complete()
		w.waits()
		w.job("site").Fail(errors.New("no space left"))
		again := w.job("site")
		w.waits()
		w.job("photos").Cancel(errors.New("enough"))
		w.returns(answered, "site Failed; photos Cancelled, <nil>")
		again.Close()
	})
}

// TestWaitAll waits for the runs that are unfinished at the start, and for no
// others.
func TestWaitAll(t *testing.T) {
	inWait(t, momserver.Config{}, momclient.Options{}, func(w *waiting) {
		w.wait()
		w.returns(answered, ", <nil>")
		first, second := w.job("first"), w.job("second")
		w.wait()
		third := w.job("third")
		second.Complete()
		w.waits()
		first.Complete()
		w.returns(answered, "second Succeeded; first Succeeded, <nil>")
		third.Close()
	})
}

// TestWaitBeside: Wait works beside a subscription of the client, whose filter
// hides what Wait needs, and leaves its cursor alone. The client calls its handler
// as if there were no Wait.
func TestWaitBeside(t *testing.T) {
	inWait(t, momserver.Config{}, momclient.Options{Filter: wire.Filter{Names: []string{"other"}}}, func(w *waiting) {
		handled := 0
		w.client.OnEvent(func(wire.Event) { handled++ })
		if err := w.client.Subscribe(w.t.Context()); err != nil {
			t.Fatal(err)
		}
		w.wait("site")
		if n := w.srv.Stats().Subscribers; n != 2 {
			t.Errorf("%d subscribers", n)
		}
		j := w.job("site")
		time.Sleep(time.Minute)
		cursor := w.client.Cursor()
		j.Complete()
		w.returns(answered, "site Succeeded, <nil>")
		w.job("other").Complete()
		time.Sleep(time.Minute)
		if after := w.client.Cursor(); handled != 2 || after.Seq != cursor.Seq+3 {
			t.Errorf("handled %d, cursor %v and then %v", handled, cursor, after)
		}
		if n := w.srv.Stats().Subscribers; n != 1 {
			t.Errorf("%d subscribers", n)
		}
	})
}

// TestWaitRestart: a run that a restart has ended is lost. If no run was
// unfinished, Wait goes on with the new server.
func TestWaitRestart(t *testing.T) {
	for _, names := range [][]string{nil, {"site"}} {
		inWait(t, momserver.Config{}, momclient.Options{AutoReconnect: true}, func(w *waiting) {
			w.job("site")
			w.wait(names...)
			w.serve(momserver.Config{})
			w.returns(2*time.Second, `site restart, the end of a run of "site" was not seen: the server was restarted`)
		})
	}
	inWait(t, momserver.Config{}, momclient.Options{AutoReconnect: true}, func(w *waiting) {
		w.wait("site")
		w.serve(momserver.Config{})
		j := w.job("site") // before the client is back
		time.Sleep(5 * time.Second)
		w.waits()
		j.Complete()
		w.returns(answered, "site Succeeded, <nil>")
	})
}

// TestWaitReconnect: a run goes on over a loss of the connection.
func TestWaitReconnect(t *testing.T) {
	inWait(t, momserver.Config{}, momclient.Options{AutoReconnect: true}, func(w *waiting) {
		j := w.job("site")
		w.wait("site")
		w.net.Cut()
		time.Sleep(time.Minute)
		w.waits()
		j.Complete()
		w.returns(answered, "site Succeeded, <nil>")
	})
}

// TestWaitGapUnseen: a run that ended among missed events is lost although the
// server lets the client see no event that announces the gap.
func TestWaitGapUnseen(t *testing.T) {
	cfg := momserver.Config{CacheEvents: 5, Authorize: func(context.Context, momserver.Applicant) (momserver.Grant, error) {
		return momserver.Grant{Jobs: []uuid.UUID{momserver.JobID("site")}}, nil
	}}
	inWait(t, cfg, momclient.Options{AutoReconnect: true}, func(w *waiting) {
		site := w.job("site")
		w.wait()
		w.net.Cut()
		site.Complete()
		for range 10 {
			w.job("other").Complete()
		}
		w.returns(6*time.Second, `site gap, the end of a run of "site" was not seen: it was among missed events`)
	})
}

// TestWaitGap: a run that ended among missed events is lost, whether or not other
// runs are unfinished, and one that goes on is not. If there are others, the end of
// the snapshot shows the loss, before any further event.
func TestWaitGap(t *testing.T) {
	for _, ends := range []bool{true, false} {
		for _, other := range []bool{true, false} {
			inWait(t, momserver.Config{CacheEvents: 5}, momclient.Options{AutoReconnect: true}, func(w *waiting) {
				site := w.job("site")
				if other {
					w.wait("site", "other")
				} else {
					w.wait("site")
				}
				w.net.Cut()
				if ends {
					site.Complete()
				}
				if other {
					w.job("third")
				}
				for range 10 {
					w.job("other").Complete()
				}
				if ends {
					w.returns(2*time.Second, `site gap, the end of a run of "site" was not seen: it was among missed events`)
					return
				}
				time.Sleep(10 * time.Second)
				w.waits()
				site.Complete()
				if want := "site Succeeded, <nil>"; other {
					w.returns(answered, "other Succeeded; "+want)
				} else {
					w.returns(answered, want)
				}
			})
		}
	}
}

// TestWaitEnds returns what has ended so far, and why no more will come.
func TestWaitEnds(t *testing.T) {
	const missing = `one Succeeded, momclient: waiting for a run of "two" to end and a run of "three" to begin: context canceled`
	for name, tc := range map[string]struct {
		end       func(w *waiting)
		reconnect bool
		within    time.Duration
		want      string
	}{
		"context":       {func(w *waiting) { w.cancel() }, true, answered, missing},
		"client closed": {func(w *waiting) { go w.client.Close() }, true, answered, "one Succeeded, momclient: the client is closed"},
		"server lost":   {(*waiting).kill, false, 0, "one Succeeded, mem:7420 closed the connection"},
		"server away": {func(w *waiting) {
			w.kill()
			time.Sleep(time.Minute)
			w.waits()
			w.cancel()
		}, true, 0, missing + "; the server is away: cannot connect to mem:7420"},
		"server back": {func(w *waiting) {
			w.net.Cut()
			time.Sleep(time.Minute)
			w.cancel()
		}, true, answered, missing + "$"},
	} {
		t.Run(name, func(t *testing.T) {
			inWait(t, momserver.Config{}, momclient.Options{AutoReconnect: tc.reconnect}, func(w *waiting) {
				w.wait("one", "two", "three")
				w.job("one").Complete()
				w.job("two")
				tc.end(w)
				w.returns(tc.within, tc.want)
			})
		})
	}
}

// TestWaitRefused returns why there is no subscription, and which error of a
// context there was.
func TestWaitRefused(t *testing.T) {
	inWait(t, momserver.Config{Token: "secret"}, momclient.Options{AutoReconnect: true, Token: "guess"}, func(w *waiting) {
		if runs, err := w.client.Wait(w.t.Context(), "site"); runs != nil || !errors.Is(err, wire.Unauthorized) {
			t.Errorf("%v, %v", runs, err)
		}
		w.kill()
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		if _, err := w.client.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, wire.Lost) || !strings.Contains(err.Error(), "waiting for the server:") {
			t.Error(err)
		}
		w.client.Close()
		if _, err := w.client.Wait(w.t.Context()); !errors.Is(err, wire.Closed) {
			t.Error(err)
		}
	})
}

// TestWaitLate: the end of a run is seen although the server is restarted at once.
func TestWaitLate(t *testing.T) {
	for range 50 { // the scheduler decides what comes first
		inWait(t, momserver.Config{}, momclient.Options{AutoReconnect: true}, func(w *waiting) {
			j := w.job("site")
			w.wait("site")
			j.Complete()
			w.srv.Shutdown(w.t.Context())
			w.serve(momserver.Config{})
			w.returns(2*time.Second, "site Succeeded, <nil>")
		})
	}
}

// TestWaitBusy: Wait returns although the job runs again at once each time.
func TestWaitBusy(t *testing.T) {
	for _, names := range [][]string{nil, {"site"}} {
		inWait(t, momserver.Config{}, momclient.Options{}, func(w *waiting) {
			var running sync.WaitGroup
			defer running.Wait()
			var quit atomic.Bool
			running.Go(func() {
				for !quit.Load() {
					j, _ := w.srv.StartJob(momserver.JobID("site"), wire.InitializeData{Name: "site"})
					time.Sleep(10 * time.Millisecond)
					j.Complete()
				}
			})
			time.Sleep(time.Second + time.Millisecond)
			w.wait(names...)
			w.returns(answered, "site Succeeded, <nil>")
			quit.Store(true)
			time.Sleep(time.Second)
		})
	}
}
