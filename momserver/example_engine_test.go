package momserver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// watch runs a sync engine of the kind that is polled: it learns its totals as it
// goes, retries by itself, and may be cancelled. No other code is needed to monitor
// the engine.
func watch(ctx context.Context, srv *momserver.Server, e *engine) error {
	init := wire.InitializeData{Name: e.name, DryRun: e.dryRun}
	return srv.Run(ctx, momserver.JobID(e.name), init, func(ctx context.Context, job *momserver.Job) error {
		return job.Package(wire.PackageHeader{}, wire.PackageBody{}, func(pkg *momserver.Package) error {
			return e.run(ctx, func(s stats) { // every 100 ms
				job.Expect(1, s.files, s.bytes)
				pkg.Expect(s.files, s.bytes)
				pkg.Item(s.item)
				if s.failed != nil {
					pkg.Retry(s.lost, s.item, s.failed)
				} else {
					pkg.Moved(s.moved)
				}
			})
		})
	})
}

// stats is what the engine tells when it is polled.
type stats struct {
	item   string
	files  int   // found so far
	bytes  int64 // of these files
	moved  int64 // since the poll before
	lost   int64 // bytes that have to be moved again
	failed error // because of which
}

// engine stands for the sync engine.
type engine struct {
	name   string
	dryRun bool
	polls  []stats
}

func (e *engine) run(ctx context.Context, poll func(stats)) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for _, s := range e.polls {
		<-tick.C
		if err := ctx.Err(); err != nil {
			return err
		}
		poll(s)
	}
	return nil
}

// A sync engine is polled: it learns its totals as it goes, retries by itself,
// makes dry runs, and is cancelled by its user.
func ExampleJob_Expect() {
	srv := momserver.New(momserver.Config{ProgressInterval: 1}) // so that this example shows every poll
	defer srv.Close()
	ctx, cancel := context.WithCancel(context.Background())

	fmt.Println(watch(ctx, srv, &engine{name: "photos", polls: []stats{
		{item: "a.jpg", files: 1, bytes: 400},
		{item: "a.jpg", files: 1, bytes: 400, moved: 100},
		{item: "b.jpg", files: 2, bytes: 800, moved: 400},
		{item: "b.jpg", files: 2, bytes: 800, lost: 100, failed: errors.New("503 Service Unavailable")},
		{item: "b.jpg", files: 2, bytes: 800, moved: 400},
	}}))
	fmt.Println(watch(ctx, srv, &engine{name: "what if", dryRun: true, polls: []stats{{item: "a.jpg", files: 1, bytes: 400}}}))
	time.AfterFunc(150*time.Millisecond, cancel)
	fmt.Println(watch(ctx, srv, &engine{name: "music", polls: []stats{{item: "a.mp3", files: 9, bytes: 900, moved: 90}, {}, {}, {}}}))

	show(srv)
	// Output:
	// <nil>
	// <nil>
	// context canceled
	// photos: MirroringJobInitialized
	// photos: MirroringPackageInitialized
	// photos: Transferring, 0% of 400 bytes
	// photos: Transferring, 25% of 400 bytes
	// photos: Transferring, 62% of 800 bytes
	// photos: Transferring, 50% of 800 bytes, retries: 1
	// photos: Transferring, 100% of 800 bytes, retries: 1
	// photos: Transferred, 100% of 800 bytes, retries: 1
	// photos: MirroringPackageCompleted, 100% of 800 bytes, retries: 1
	// photos: MirroringJobCompleted, 100% of 800 bytes, retries: 1, Succeeded
	// what if: MirroringJobInitialized, dry run
	// what if: MirroringPackageInitialized, dry run
	// what if: Transferring, dry run, 0% of 400 bytes
	// what if: Transferred, dry run, 0% of 400 bytes
	// what if: MirroringPackageCompleted, dry run, 0% of 400 bytes
	// what if: MirroringJobCompleted, dry run, 0% of 400 bytes, Succeeded
	// music: MirroringJobInitialized
	// music: MirroringPackageInitialized
	// music: Transferring, 10% of 900 bytes
	// music: TransferringError, 10% of 900 bytes, Cancelled
}

// show prints what subscribers have been told.
func show(srv *momserver.Server) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go srv.Serve(l)
	client := momclient.New(l.Addr().String(), momclient.Options{})
	defer client.Close()
	events, _, err := client.History(context.Background(), wire.Cursor{}, 0)
	if err != nil {
		fmt.Println(err)
	}
	for _, e := range events {
		p := &e.Data.Progress
		line := fmt.Sprintf("%s: %v", e.Name(), e.Data.Status.State)
		if e.Data.Initialize.DryRun {
			line += ", dry run"
		}
		if p.Known() {
			line += fmt.Sprintf(", %.0f%% of %d bytes", 100*p.Fraction(), p.BytesTotal)
		}
		if p.Retries > 0 {
			line += fmt.Sprintf(", retries: %d", p.Retries)
		}
		if e.EndsRun() {
			line += fmt.Sprintf(", %v", e.Outcome())
		}
		fmt.Println(line)
	}
}
