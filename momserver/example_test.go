package momserver_test

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
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

// Authorize decides who may see what: here by a token for each team.
func ExampleConfig_authorize() {
	srv := momserver.New(momserver.Config{
		Authorize: func(_ context.Context, client momserver.Applicant) (momserver.Grant, error) {
			switch client.Token {
			case "of the operators":
				return momserver.Grant{AllJobs: true, Identity: "operators"}, nil
			case "of the shop":
				return momserver.Grant{Names: []string{"shop to staging"}, Identity: "shop"}, nil
			}
			return momserver.Grant{}, errors.New("nobody knows it") // told to the log alone
		},
	})
	defer srv.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go srv.Serve(l)
	for _, name := range []string{"site to staging", "shop to staging"} {
		srv.StartJob(uuid.New(), wire.InitializeData{Name: name})
	}

	for _, token := range []string{"of the operators", "of the shop", "stolen"} {
		c := momclient.New(l.Addr().String(), momclient.Options{Token: token})
		jobs, err := c.Jobs(context.Background())
		fmt.Println(len(jobs), errors.Is(err, wire.Unauthorized))
		c.Close()
	}
	// Output:
	// 2 false
	// 1 false
	// 0 true
}
