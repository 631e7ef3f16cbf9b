package wire_test

import (
	"errors"
	"fmt"

	"mom.internal/wire"
)

// A handler shows where a run stands. No earlier event is needed for that.
func ExampleEvent() {
	e := wire.Event{Seq: 17, Data: wire.TransferData{
		Initialize: &wire.InitializeData{Name: "site to staging"},
		Header:     &wire.PackageHeader{Number: 2},
		Status:     wire.Status{State: wire.Transferring},
		Progress:   wire.Progress{BytesDone: 300, BytesTotal: 400},
	}}
	fmt.Printf("%d: %s: %v %.0f%%\n", e.Seq, e.Name(), e.Data.Status.State, 100*e.Data.Progress.Fraction())
	if h := e.Data.Header; h != nil {
		fmt.Println("package", h.Number)
	}
	if e.EndsRun() {
		fmt.Println("the run has ended")
	}
	// Output:
	// 17: site to staging: Transferring 75%
	// package 2
}

// A Code tells what kind of error it is, however many errors wrap it.
func ExampleCode() {
	err := fmt.Errorf("subscribing: %w", wire.Errorf(wire.Full, "the server has 100 subscribers; try again later"))
	fmt.Println(errors.Is(err, wire.Full), wire.IsFinal(err))
	fmt.Println(err)
	// Output:
	// true false
	// subscribing: the server has 100 subscribers; try again later
}

func ExampleParseState() {
	for _, text := range []string{"Transfering", "jobcompleted", "Done"} {
		state, err := wire.ParseState(text)
		fmt.Println(state, err != nil)
	}
	// Output:
	// Transferring false
	// MirroringJobCompleted false
	//  true
}

// A filter for the problems of one job.
func ExampleFilter() {
	f := wire.Filter{Names: []string{"site to staging"}, Severity: wire.SeverityWarning}
	e := wire.Event{Data: wire.TransferData{Initialize: &wire.InitializeData{Name: "site to staging"}}}
	for _, e.Data.Status.State = range []wire.State{wire.Transferring, wire.TransferringError} {
		fmt.Println(e.Data.Status.State, f.Takes(&e))
	}
	// Output:
	// Transferring false
	// TransferringError true
}
