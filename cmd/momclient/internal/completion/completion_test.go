package completion

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/wire"
)

func id(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)) }

// event returns an event of a run of the job with the name.
func event(state wire.State, job string) *wire.Event {
	return &wire.Event{
		Seq: 1, JobID: id(job), RunID: id(job), Epoch: id("epoch"),
		Data: wire.TransferData{Initialize: &wire.InitializeData{Name: job}, Status: wire.Status{State: state, Final: state == wire.JobCompleted}},
	}
}

// newServer returns the only server of a Completion without -job.
func newServer(wait time.Duration, cursor func() wire.Cursor, cancel func()) *Server {
	return New(new(wire.Filter), wait, cancel).Add("", cursor)
}

// TestAwayCause says why the server is away, and forgets earlier reasons when
// it comes back.
func TestAwayCause(t *testing.T) {
	for _, tc := range []struct {
		statuses []momclient.ConnectionStatus
		want     string
	}{
		{[]momclient.ConnectionStatus{{Kind: momclient.Connecting}}, "no connection within 1h0m0s (-wait): the server has not answered yet"},
		{[]momclient.ConnectionStatus{{Kind: momclient.Lost, Err: errors.New("reset")}, {Kind: momclient.Connecting}}, "no connection within 1h0m0s (-wait): reset"},
		{[]momclient.ConnectionStatus{{Kind: momclient.Refused, Err: wire.Errorf(wire.Full, "full")}}, "no place at the server within 1h0m0s (-wait): full"},
		{[]momclient.ConnectionStatus{{Kind: momclient.Connected}, {Kind: momclient.Connecting}}, "no connection within 1h0m0s (-wait): the server has not answered yet"},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newServer(time.Hour, nil, func() {})
			for _, s := range tc.statuses {
				c.Status(s)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			if got := c.Conclude(nil); got.Err == nil || got.Err.Error() != tc.want {
				t.Errorf("%v, want %s", got, tc.want)
			}
		})
	}
}

// TestNewRunBeforeStatus does not take a run of the new server for a lost one,
// although its event comes before the status with the restart.
func TestNewRunBeforeStatus(t *testing.T) {
	e := event(wire.JobInitialized, "site")
	c := newServer(0, func() wire.Cursor { return e.Cursor() }, func() {})
	c.Shown(e)
	if c.restarted(momclient.ConnectionStatus{Epoch: e.Epoch}); c.verdict != nil {
		t.Errorf("a run of the new server is lost: %v", c.verdict)
	}
	e.Epoch = id("next epoch")
	if c.restarted(momclient.ConnectionStatus{Epoch: e.Epoch}); c.verdict == nil || !errors.Is(c.verdict.Err, wire.Lost) {
		t.Error("a run of the epoch before is not lost")
	}
}

// TestVerdictStands: after the verdict no event is shown, and nothing changes
// the verdict.
func TestVerdictStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cancelled := 0
		c := newServer(time.Hour, nil, func() { cancelled++ })
		seq := uint64(0)
		see := func(state wire.State, run string) bool {
			e := event(state, run)
			seq++
			e.Seq = seq
			return c.Showing() && c.Shown(e)
		}
		if !see(wire.JobInitialized, "first") || !see(wire.JobCompleted, "first") {
			t.Fatal("it has ended already")
		}
		time.Sleep(quiet)
		synctest.Wait()
		if c.Showing() || see(wire.JobInitialized, "second") || !c.Over() {
			t.Error("it goes on")
		}
		c.Status(momclient.ConnectionStatus{Kind: momclient.Lost})
		time.Sleep(c.wait)
		synctest.Wait()
		for _, err := range []error{nil, errors.New("interrupted"), wire.Errorf(wire.Lost, "lost")} {
			if got := c.Conclude(err); got != (Verdict{}) || cancelled != 1 {
				t.Errorf("%v, ended %d times, by %v", got, cancelled, err)
			}
		}
	})
}

// TestTimerStoppedLate: a timer that is stopped after it has gone off does not
// call its function, not even if another timer has been started in its place.
func TestTimerStoppedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newServer(time.Hour, nil, func() {})
		c.mu.Lock()
		c.away(nil)
		time.Sleep(c.wait) // its function waits for mu
		stopTimer(&c.giveUpTimer)
		c.away(nil)
		c.mu.Unlock()
		synctest.Wait()
		if c.Over() {
			t.Error("it gives up as soon as the server is away again")
		}
		time.Sleep(c.wait)
		synctest.Wait()
		if !c.Over() {
			t.Error("it does not give up")
		}
	})
}
