package main

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// quiet is the time without another job after which -exit-when-done ends.
const quiet = time.Second

// TestDone ends a second after the last of all runs, to the nanosecond, if no
// other job has appeared.
func TestDone(t *testing.T) {
	inBubble(t, func(s *testPair) {
		s.watch("-exit-when-done")
		time.Sleep(time.Hour) // nothing has run yet
		s.running()
		first, second := s.job("first"), s.job("second")
		first.Complete()
		time.Sleep(time.Hour)
		s.running()
		second.Complete()
		time.Sleep(quiet - 1)
		s.running()
		third := s.job("third")
		time.Sleep(time.Hour)
		s.running()
		third.Complete()
		s.exits(exitOK, quiet)
		if got := strings.Count(s.stdout.String(), "\n"); got != 6 {
			t.Errorf("%d lines\n%s", got, &s.stdout)
		}
	})
}

// TestDoneNamed ends at once when a run of each named job has ended.
func TestDoneNamed(t *testing.T) {
	inBubble(t, func(s *testPair) {
		s.watch("-exit-when-done", "-job", "first", "-job", jobID("second").String())
		other := s.job("other")
		s.job("first").Complete()
		again := s.job("first")
		s.running() // second has not run
		s.job("second").Complete()
		s.exits(exitOK, 0) // though first runs again
		again.Complete()
		if strings.Contains(s.stdout.String(), "other") {
			t.Errorf("what was not asked for:\n%s", &s.stdout)
		}
		other.Complete()
	})
}

// TestDoneUnfinished waits for the runs that are unfinished when the monitor
// begins.
func TestDoneUnfinished(t *testing.T) {
	inBubble(t, func(s *testPair) {
		s.job("over").Complete()
		j := s.job("site")
		s.watch("-exit-when-done")
		j.Complete()
		s.exits(exitOK, quiet)
		if out := s.stdout.String(); !strings.Contains(out, "[snapshot]") || strings.Count(out, "\n") != 2 {
			t.Error(out)
		}
	})
}

// TestDoneFiltered sees the end of a run although -state, -outcome or -severity
// hides it.
func TestDoneFiltered(t *testing.T) {
	for _, flag := range [][]string{{"-state", "Transferring"}, {"-outcome", "Failed"}, {"-severity", "error"}} {
		inBubble(t, func(s *testPair) {
			s.watch(append(flag, "-exit-when-done", "-job", "site")...)
			s.job("site").Complete()
			s.exits(exitOK, 0)
			if s.stdout.String() != "" {
				t.Errorf("%v lets pass:\n%s", flag, &s.stdout)
			}
		})
	}
}

// TestDoneBadly exits with 1 if one of the runs failed, was cancelled or had errors.
func TestDoneBadly(t *testing.T) {
	for name, end := range map[string]func(s *testPair){
		"exporting failed": func(s *testPair) { s.job("site").Fail(errors.New("no space left")) },
		"cancelled":        func(s *testPair) { s.job("site").Cancel(errors.New("enough")) },
		"left":             func(s *testPair) { s.job("site").Close() },
		"a package failed": func(s *testPair) { failPackage(s.t, s.job("site")) },
		"a package failed and the run went on": func(s *testPair) {
			j := s.jobWith(wire.InitializeData{Name: "site", ContinueOnError: true})
			failPackage(s.t, j)
			s.running()
			if err := j.Complete(); err != nil {
				s.t.Error(err)
			}
		},
		"one of two": func(s *testPair) {
			good, bad := s.job("good"), s.job("site")
			bad.Fail(errors.New("unreadable"))
			good.Complete()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *testPair) {
				s.watch("-exit-when-done")
				end(s)
				s.exits(exitFailed, quiet)
			})
		})
	}
}

// TestNeverThere exits with 3 when the server has been away for the time of
// -wait.
func TestNeverThere(t *testing.T) {
	inBubble(t, func(s *testPair) {
		s.srv.Close()
		s.watch("-exit-when-done", "-wait", "7s")
		s.exits(exitLost, 7*time.Second, "waiting for "+memAddr, "momclient: no connection within 7s (-wait): cannot connect to mem:7420: ")
	})
}

// TestComesLate waits for a server that does not run yet, and reports that
// once.
func TestComesLate(t *testing.T) {
	inBubble(t, func(s *testPair) {
		s.srv.Close()
		s.watch("-exit-when-done", "-job", "site", "-wait", "25s")
		time.Sleep(20 * time.Second)
		s.running()
		s.serve(momserver.Config{})
		time.Sleep(5 * time.Second)
		s.job("site").Complete()
		s.exits(exitOK, 0)
		want := "momclient: cannot connect to mem:7420: dial mem mem:7420: connection refused\n" +
			"momclient: waiting for mem:7420, and trying again\n" +
			"momclient: connected mem:7420\n" +
			"momclient: no job is named \"site\" so far; there are no jobs yet\n"
		if got := s.stderr.String(); got != want {
			t.Errorf("stderr\n%swant\n%s", got, want)
		}
	})
}

// TestLostInRun exits with 3 if the server goes away in the middle of a run.
func TestLostInRun(t *testing.T) {
	inBubble(t, func(s *testPair) {
		s.watch("-exit-when-done", "-wait", "1m")
		s.job("site")
		s.kill()
		s.exits(exitLost, time.Minute, "waiting for "+memAddr, "momclient: no connection within 1m0s (-wait): cannot connect to mem:7420: ")
	})
}

// TestFullForLong exits with 3, and reports that the server has no place, not
// that it is away.
func TestFullForLong(t *testing.T) {
	inBubble(t, func(s *testPair) {
		s.serve(momserver.Config{MaxSubscribers: 1})
		other := momclient.New(memAddr, momclient.Options{DialContext: s.net.DialContext})
		if err := other.Subscribe(s.t.Context()); err != nil {
			t.Fatal(err)
		}
		s.watch("-exit-when-done", "-wait", "2s")
		s.exits(exitLost, 2*time.Second, "momclient: no place at the server within 2s (-wait): ", "Config.MaxSubscribers")
		other.Close()
	})
}

// TestLostAfterwards exits with 0, and prints next to nothing, if the server
// goes away after the last end, whatever -wait is.
func TestLostAfterwards(t *testing.T) {
	const draining = "momclient: draining: the server is shutting down\n"
	for _, tc := range []struct {
		wait   string
		within time.Duration
		leave  func(*testPair)
		says   string
	}{
		{"1m", quiet, func(s *testPair) { s.srv.Shutdown(s.t.Context()) }, draining},
		{"1ns", 0, func(s *testPair) { s.srv.Shutdown(s.t.Context()) }, draining},
		{"1m", quiet, (*testPair).kill, ""},
	} {
		inBubble(t, func(s *testPair) {
			s.watch("-exit-when-done", "-wait", tc.wait)
			s.job("site").Complete()
			synctest.Wait()
			completed := time.Now()
			tc.leave(s)
			if tc.within == quiet { // quiet counts from the last end, and a shutdown waits for delayed replies
				tc.within -= time.Since(completed)
			} else {
				time.Sleep(time.Nanosecond) // longer than -wait
			}
			s.exits(exitOK, tc.within)
			if got, want := s.stderr.String(), "momclient: connected mem:7420\n"+tc.says; got != want {
				t.Errorf("stderr %q, want %q", got, want)
			}
		})
	}
}

// TestRestartedInRun exits with 3, and soon, if the server was restarted during
// a run, because the run will never end.
func TestRestartedInRun(t *testing.T) {
	for _, flags := range [][]string{nil, {"-job", "site"}} {
		inBubble(t, func(s *testPair) {
			s.watch(append(flags, "-exit-when-done", "-period", "1s")...)
			s.job("site")
			s.serve(momserver.Config{})
			time.Sleep(2 * time.Second)
			s.exits(exitLost, 0, "on a new epoch", "restarted")
		})
	}
}

// TestRestartedBetweenRuns goes on with the runs of the new server.
func TestRestartedBetweenRuns(t *testing.T) {
	inBubble(t, func(s *testPair) {
		s.watch("-exit-when-done", "-job", "site", "-period", "1s")
		s.serve(momserver.Config{})
		j := s.job("site") // before the monitor is back
		time.Sleep(2 * time.Second)
		s.running()
		j.Complete()
		s.exits(exitOK, 0, "on a new epoch")
	})
}

// TestEndInGap exits with 3 if the end of a watched run was in a gap, although
// no further event of its job comes. It goes on if the run has survived the gap.
func TestEndInGap(t *testing.T) {
	for _, flags := range [][]string{nil, {"-job", "site"}, {"-job", "site", "-job", "other"}} {
		for _, ends := range []bool{true, false} {
			inBubble(t, func(s *testPair) {
				s.serve(momserver.Config{CacheEvents: 5})
				s.watch(append(flags, "-exit-when-done", "-o", "json")...)
				site := s.job("site")
				s.net.Cut()
				if ends {
					site.Fail(errors.New("broken"))
				}
				for range 10 {
					s.job("other").Complete()
				}
				if ends {
					s.exitsBy(exitLost, time.Second, "was not seen")
					return
				}
				time.Sleep(5 * time.Second)
				s.running()
				site.Complete()
				s.exitsBy(exitOK, quiet)
				if got := s.stdout.String(); len(flags) == 2 && strings.Contains(got, `"other"`) || !strings.Contains(got, `"missed":`) {
					t.Errorf("stdout: %s", got)
				}
			})
		}
	}
}

// TestInterrupted exits with 3 if runs are unfinished, and with 0 if they have
// ended or without -exit-when-done.
func TestInterrupted(t *testing.T) {
	for _, tc := range []struct {
		flags    []string
		complete bool
		code     int
		says     string
	}{
		{[]string{"-exit-when-done"}, false, exitLost, "interrupted before the watched runs ended"},
		{[]string{"-exit-when-done"}, true, exitOK, ""},
		{nil, false, exitOK, ""},
	} {
		inBubble(t, func(s *testPair) {
			s.watch(tc.flags...)
			j := s.job("site")
			if tc.complete {
				j.Complete()
			}
			s.running()
			s.cancel()
			s.exits(tc.code, 0, tc.says)
		})
	}
}

// slow is a stdout that takes a minute for lines with the text.
type slow struct {
	buffer
	line string
}

func (w *slow) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.line) {
		time.Sleep(time.Minute)
	}
	return w.buffer.Write(p)
}

// TestSlowStdout does not count the time that stdout takes as quiet time.
func TestSlowStdout(t *testing.T) {
	inBubble(t, func(s *testPair) {
		out := &slow{line: "second"}
		s.watchTo(out, "-exit-when-done")
		s.job("first").Complete()
		s.job("second").Complete()
		time.Sleep(2 * time.Minute)
		s.exits(exitOK, quiet)
		if n := strings.Count(out.String(), "\n"); n != 4 {
			s.t.Errorf("%d lines\n%s", n, out)
		}
	})
}

// TestRestartBehindStdout judges a run after a restart only when all earlier
// events are shown, because the end of the run may be among them.
func TestRestartBehindStdout(t *testing.T) {
	for _, tc := range []struct {
		slow   string
		ends   bool
		code   int
		within time.Duration
	}{{"JobCompleted", true, exitOK, time.Second}, {"JobInitialized", true, exitOK, time.Second}, {"JobInitialized", false, exitLost, time.Second + 50*time.Millisecond}} {
		inBubble(t, func(s *testPair) {
			s.watchTo(&slow{line: tc.slow}, "-exit-when-done", "-job", "site", "-period", "1s")
			j := s.job("site")
			if tc.ends {
				j.Complete()
				synctest.Wait()
			}
			s.serve(momserver.Config{})
			time.Sleep(59 * time.Second)
			s.running()
			s.exitsBy(tc.code, tc.within, "on a new epoch")
		})
	}
}

// TestRunsAgain: the command does not wait for a further run of a job after one
// run of it has ended. It ends a second after the last end that it waited for,
// whether the further run begins at that instant, a nanosecond before it, or
// sooner.
func TestRunsAgain(t *testing.T) {
	for _, before := range []time.Duration{0, 1, quiet / 10} {
		for range 20 { // at the very instant, either may be first
			inBubble(t, func(s *testPair) {
				s.watch("-exit-when-done")
				s.job("site").Complete()
				synctest.Wait()
				time.Sleep(quiet - before)
				s.start("site")
				s.exits(exitOK, before)
				if got, want := s.stderr.String(), "momclient: connected mem:7420\n"; got != want {
					t.Errorf("stderr %q, want %q", got, want)
				}
			})
		}
	}
}

// TestAnotherJob: the command waits for another job that appears a nanosecond
// before it would end. A job that appears at that very instant is either waited
// for, or not shown at all.
func TestAnotherJob(t *testing.T) {
	for _, before := range []time.Duration{0, 1} {
		for range 20 {
			inBubble(t, func(s *testPair) {
				s.watch("-exit-when-done")
				s.job("site").Complete()
				synctest.Wait()
				time.Sleep(quiet - before)
				other := s.start("other")
				if synctest.Wait(); before == 0 && !strings.Contains(s.stdout.String(), "other") {
					s.exits(exitOK, 0)
					return
				}
				time.Sleep(time.Hour)
				s.running()
				other.Fail(errors.New("no space left"))
				s.exits(exitFailed, quiet)
			})
		}
	}
}

// TestNeverQuiet: the command ends although the job runs again every few
// milliseconds. The outcome of a further run does not count.
func TestNeverQuiet(t *testing.T) {
	inBubble(t, func(s *testPair) {
		s.watch("-exit-when-done")
		s.job("site").Complete()
		synctest.Wait()
		begin := time.Now()
		go func() {
			for time.Since(begin) < 2*quiet {
				j := s.start("site")
				if time.Sleep(time.Millisecond); time.Since(begin) == quiet/2 {
					j.Fail(errors.New("no space left"))
				}
				j.Complete()
			}
		}()
		s.exits(exitOK, quiet)
		time.Sleep(2 * quiet)
		if got := s.stdout.String(); !strings.Contains(got, "no space left") {
			t.Errorf("the failure was not seen:\n%s", got)
		}
	})
}

// TestTwoRunsOfOneJob: the command waits for each run that had begun when the
// first run of its job ended.
func TestTwoRunsOfOneJob(t *testing.T) {
	inBubble(t, func(s *testPair) {
		first := s.job("site")
		s.watch("-exit-when-done")
		second := s.job("site")
		first.Complete()
		further := s.job("site")
		time.Sleep(time.Hour)
		s.running()
		second.Complete()
		s.exits(exitOK, quiet)
		further.Close()
	})
}

// TestFurtherRunLost: the command exits with 0 although a further run was lost,
// in a gap or with the server, while the first run of another job went on.
func TestFurtherRunLost(t *testing.T) {
	for name, lose := range map[string]func(s *testPair) (other *momserver.Job){
		"gap": func(s *testPair) *momserver.Job {
			other, again := s.job("other"), s.job("site")
			s.net.Cut()
			again.Fail(errors.New("unseen"))
			for range 10 {
				s.job("site").Complete()
			}
			return other
		},
		"restart": func(s *testPair) *momserver.Job {
			s.job("site")
			s.serve(momserver.Config{})
			return s.job("other")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *testPair) {
				s.serve(momserver.Config{CacheEvents: 5})
				s.watch("-exit-when-done", "-period", "100ms")
				s.job("site").Complete()
				other := lose(s)
				time.Sleep(quiet - 1)
				s.running()
				other.Complete()
				s.exits(exitOK, quiet)
			})
		})
	}
}

// TestSlowFurtherRun: the command waits for another job that began before the
// quiet second was over, even if stdout is too slow to show that in time.
func TestSlowFurtherRun(t *testing.T) {
	inBubble(t, func(s *testPair) {
		out := &slow{line: "  3  site"}
		s.watchTo(out, "-exit-when-done")
		s.job("site").Complete()
		synctest.Wait()
		time.Sleep(quiet / 2)
		s.start("site")
		other := s.job("other")
		time.Sleep(2 * time.Minute)
		s.running()
		other.Complete()
		s.exits(exitOK, quiet)
	})
}

// TestAwayBehindStdout: the absence of the server is judged once all earlier
// events are shown, because the end of the run is among them.
func TestAwayBehindStdout(t *testing.T) {
	for _, ends := range []bool{true, false} {
		inBubble(t, func(s *testPair) {
			s.watchTo(&slow{line: "site"}, "-exit-when-done", "-job", "site", "-wait", "5s")
			j := s.start("site")
			if ends {
				j.Complete()
			}
			synctest.Wait()
			s.kill()
			time.Sleep(59 * time.Second) // it has been away for longer than -wait
			s.running()
			if ends {
				s.exitsBy(exitOK, time.Minute+time.Second)
			} else {
				s.exitsBy(exitLost, time.Minute+time.Second, "no connection within 5s")
			}
		})
	}
}
