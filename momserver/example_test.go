package momserver_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/certs"
)

var siteID = momserver.JobID("/srv/site", "/mnt/staging")

// A program that mirrors embeds the server, and runs each of its jobs with Run.
func Example() {
	srv := momserver.New(momserver.Config{})
	defer srv.Close()
	go srv.ListenAndServe("127.0.0.1:0")

	src, dst := strings.NewReader(strings.Repeat("x", 4096)), new(strings.Builder)
	err := srv.Run(context.Background(), siteID, wire.InitializeData{Name: "site to staging", Packages: 1, Bytes: 4096},
		func(ctx context.Context, job *momserver.Job) error {
			return job.Package(wire.PackageHeader{FileSize: 4096}, wire.PackageBody{Files: 1}, func(pkg *momserver.Package) error {
				_, err := pkg.Copy(ctx, dst, src)
				return err
			})
		})

	last := srv.Jobs()[0]
	fmt.Println(last.Seq, last.Name(), last.Data.Status.State, last.Outcome(), last.Data.Progress.Fraction(), err)
	// Output: 6 site to staging MirroringJobCompleted Succeeded 1 <nil>
}

// An error that the function returns ends the run with an error event.
func ExampleServer_Run() {
	srv := momserver.New(momserver.Config{})
	defer srv.Close()

	err := srv.Run(context.Background(), siteID, wire.InitializeData{Name: "site to staging"},
		func(ctx context.Context, job *momserver.Job) error {
			job.Warn("index.html", "it changed while it was read")
			return errors.New("the source has gone")
		})

	status := srv.Jobs()[0].Data.Status
	fmt.Println(err)
	for _, entry := range status.Log {
		fmt.Printf("%v: %v %s %s\n", status.State, entry.Severity, entry.Item, entry.Message)
	}
	// Output:
	// the source has gone
	// ExportingError: Warning index.html it changed while it was read
	// ExportingError: Error  the source has gone
}

// With StartJob, a program ends its runs itself.
func ExampleServer_StartJob() {
	srv := momserver.New(momserver.Config{})
	defer srv.Close()

	job, err := srv.StartJob(siteID, wire.InitializeData{Name: "site to staging"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer job.Close() // ends the run with an error event if it has not ended
	pkg, err := job.StartPackage(wire.PackageHeader{FileSize: 4096}, wire.PackageBody{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(job.Complete())
	pkg.Fail(errors.New("the destination is full"))
	fmt.Println(job.Failure())
	// Output:
	// momserver: cannot publish MirroringJobCompleted for job "site to staging" while package 1 is MirroringPackageInitialized; complete or fail the package first
	// the destination is full
}

// Publish is for a program that has a state machine of its own.
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

// Shutdown delivers what is cached. ctx bounds how long that may take.
func ExampleServer_Shutdown() {
	srv := momserver.New(momserver.Config{})
	job, err := srv.StartJob(siteID, wire.InitializeData{Name: "site to staging"})
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		fmt.Println(err) // the subscribers that did not get everything in time
	}
	fmt.Println(srv.Jobs()[0].Data.Status.Log[0].Message)
	fmt.Println(job.Complete()) // the program mirrors on, without subscribers
	// Output:
	// the server shut down before the run ended
	// <nil>
}

// This server lets only clients in that have both a certificate and the token.
func ExampleConfig_tls() {
	ca := certs.NewAuthority() // in place of your own
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := momserver.New(momserver.Config{
		Token: "the token",
		TLS: &tls.Config{
			Certificates: []tls.Certificate{ca.Issue("server", time.Hour, "127.0.0.1")},
			ClientCAs:    ca.Pool(),
			ClientAuth:   tls.RequireAndVerifyClientCert,
		},
	})
	defer srv.Close()
	go srv.Serve(l)

	cfg := &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{ca.Issue("dashboard", time.Hour)}}
	for _, token := range []string{"the token", "another"} {
		c := momclient.New(l.Addr().String(), momclient.Options{TLS: cfg, Token: token})
		_, err := c.Jobs(context.Background())
		fmt.Println(err == nil, errors.Is(err, wire.Unauthorized))
		c.Close()
	}
	// Output:
	// true false
	// false true
}

// Authorize decides which jobs a client may see, here by a token for each team.
func ExampleConfig_authorize() {
	srv := momserver.New(momserver.Config{
		Authorize: func(_ context.Context, client momserver.Applicant) (momserver.Grant, error) {
			switch client.Token {
			case "of the operators":
				return momserver.Grant{AllJobs: true, Identity: "operators"}, nil
			case "of the shop":
				return momserver.Grant{Names: []string{"shop to staging"}, Identity: "shop"}, nil
			}
			return momserver.Grant{}, errors.New("an unknown token") // only the log gets the text
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
