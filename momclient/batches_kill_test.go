package momclient_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// TestStoreKilled kills the store of ExampleClient_Batches, as a process, again
// and again while events are published that soon leave the cache. In the end, each
// event has been counted once, or once as missed.
func TestStoreKilled(t *testing.T) {
	if addr := os.Getenv("MOM_TEST_STORE_ADDR"); addr != "" {
		t.Fatal(store(context.Background(), addr, os.Getenv("MOM_TEST_STORE_FILE")))
	}
	const runs = 1500 // more than a batch, so that a snapshot is larger too
	srv := momserver.New(momserver.Config{CacheEvents: 50})
	defer srv.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(l)
	file := filepath.Join(t.TempDir(), "table")
	first := table{Cursor: wire.Cursor{Epoch: srv.Epoch()}.String(), Runs: make(map[string]row)}
	if err := first.commit(file); err != nil {
		t.Fatal(err)
	}
	kept := func() (now table) {
		data, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(data, &now)
		}
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	end := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		runs := make([]uuid.UUID, runs)
		for i := range runs {
			runs[i] = uuid.New()
		}
		for n := 0; ; n++ {
			if n%20 == 0 {
				select {
				case <-end:
					return
				case <-time.After(200 * time.Microsecond):
				}
			}
			e := wire.Event{JobID: runs[0], RunID: runs[n%len(runs)]}
			e.Data.Status.State = wire.Transferring
			if err := srv.Publish(e); err != nil {
				t.Error(err)
				return
			}
		}
	})
	run := func(until func() bool) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestStoreKilled$")
		cmd.Env = append(os.Environ(), "MOM_TEST_STORE_ADDR="+l.Addr().String(), "MOM_TEST_STORE_FILE="+file)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); !until() && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
	var last table
	for range 10 {
		last = kept()
		at := time.Now()
		linger := time.Duration(rand.IntN(40)) * time.Millisecond
		run(func() bool { // for a while after its first commit
			if kept().Cursor == last.Cursor {
				at = time.Now()
			}
			return time.Since(at) >= linger
		})
	}
	close(end)
	publishing.Wait()
	head := srv.Stats().Published
	run(func() bool { return kept().Cursor == fmt.Sprintf("%v/%d", srv.Epoch(), head) })
	last = kept()
	if last.Events+last.Missed != head || last.Missed == 0 || last.Events == 0 || len(last.Runs) != runs {
		t.Errorf("%d events and %d missed of %d published, %d runs", last.Events, last.Missed, head, len(last.Runs))
	}
}
