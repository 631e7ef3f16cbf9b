package momserver_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"mom/momserver"
	"mom/wire"
)

var siteID = uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")

// A mirroring server embeds a MoM server and tells it about each run.
func Example() {
	srv := momserver.New(momserver.Config{})
	defer srv.Close()
	go srv.ListenAndServe("127.0.0.1:0")

	job, err := srv.StartJob(siteID, wire.InitializeData{Name: "site to staging", Packages: 1, Bytes: 4096})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer job.Close() // ends the run with an error event if nothing else has
	pkg, err := job.StartPackage(wire.PackageHeader{FileSize: 4096}, wire.PackageBody{Files: 12})
	if err != nil {
		fmt.Println(err)
		return
	}
	pkg.Sent(4096)
	pkg.Received(4096)
	pkg.Transferred()
	pkg.Complete()
	job.Complete()

	last := srv.Jobs()[0]
	fmt.Println(last.Seq, last.Name(), last.Data.Status.State, last.Data.Progress.Fraction())
	// Output: 7 site to staging MirroringJobCompleted 1
}

// Run ends the run by what the function returns, whichever way it ends.
func ExampleServer_Run() {
	srv := momserver.New(momserver.Config{})
	defer srv.Close()

	err := srv.Run(context.Background(), siteID, wire.InitializeData{Name: "site to staging"},
		func(ctx context.Context, job *momserver.Job) error {
			job.Warn("index.html", "it changes while it is read")
			return errors.New("the source is not there any more")
		})

	status := srv.Jobs()[0].Data.Status
	fmt.Println(err)
	for _, entry := range status.Log {
		fmt.Printf("%v: %v %s %s\n", status.State, entry.Severity, entry.Item, entry.Message)
	}
	// Output:
	// the source is not there any more
	// ExportingError: Warning index.html it changes while it is read
	// ExportingError: Error  the source is not there any more
}

// Publish is the lower door, for servers with a state machine of their own.
func ExampleServer_Publish() {
	srv := momserver.New(momserver.Config{})
	defer srv.Close()

	run := uuid.New()
	for _, state := range []wire.State{wire.JobInitialized, wire.JobCompleted} {
		err := srv.Publish(wire.Event{JobID: siteID, RunID: run, Data: wire.TransferData{
			Initialize: &wire.InitializeData{Name: "site to staging"},
			Status:     wire.Status{State: state},
		}})
		if err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(srv.Stats().Published, srv.Jobs()[0].EndsRun())
	// Output: 2 true
}
