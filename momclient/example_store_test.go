package momclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// table is what the store keeps: a row for each run, and the cursor of the events
// that the rows come from. They are written together or not at all.
type table struct {
	Cursor string
	Missed uint64         // events that nobody got
	Events uint64         // events that were counted
	Runs   map[string]row // by RunID
}

type row struct {
	Name    string
	Outcome wire.Outcome
}

// store keeps the table in a file up to date until ctx ends. It may be killed at
// any moment: the next one goes on where the file is, and counts no event twice.
func store(ctx context.Context, addr, file string) error {
	t := table{Runs: make(map[string]row)}
	opts := momclient.Options{Name: "store", From: wire.FromOldest, AutoReconnect: true}
	switch data, err := os.ReadFile(file); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(data, &t); err != nil {
			return err
		}
		if opts.Cursor, err = wire.ParseCursor(t.Cursor); err != nil {
			return err
		}
	}
	client := momclient.New(addr, opts)
	defer client.Close()
	for batch, err := range client.Batches(ctx, 1000) {
		if err != nil {
			return err
		}
		for _, e := range batch.Events {
			t.Missed += e.Missed
			if !e.Snapshot {
				t.Events++
			}
			t.Runs[e.RunID.String()] = row{e.Name(), e.Outcome()}
		}
		t.Cursor = batch.Cursor.String()
		if err := t.commit(file); err != nil {
			return err
		}
	}
	return nil
}

// commit replaces the file.
func (t *table) commit(file string) error {
	data, err := json.Marshal(t)
	if err == nil {
		err = os.WriteFile(file+".new", data, 0o600)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	return err
}

// A store commits the cursor in the same transaction as the events, here by
// renaming a file, and so gets each event exactly once.
func ExampleClient_Batches() {
	addr, stop := mirroring(momserver.Config{}, "127.0.0.1:0")
	defer stop()
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	for range 2 { // the second one finds nothing new
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		err := store(ctx, addr, dir+"/table")
		cancel()
		fmt.Println(errors.Is(err, context.DeadlineExceeded))
	}
	var t table
	data, _ := os.ReadFile(dir + "/table")
	json.Unmarshal(data, &t)
	for _, r := range t.Runs {
		fmt.Println(t.Events, t.Missed, r.Name, r.Outcome)
	}
	// Output:
	// true
	// true
	// 6 0 site to staging Succeeded
}
