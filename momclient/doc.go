// Package momclient subscribes to a MoM server. It delivers every change of
// state of the server's mirroring jobs to an application, either by calls of a
// handler or in a range loop.
//
//	c := momclient.New("mirror.example:7420", momclient.Options{AutoReconnect: true})
//	defer c.Close()
//	for e, err := range c.Events(ctx) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(e.Name(), e.Data.Status.State)
//	}
//
// An application makes a [Client] with [New] and [Options]. Then it either loops
// over [Client.Events], or sets a handler with [Client.OnEvent] and calls
// [Client.Subscribe]. A store that commits many events at once loops over
// [Client.Batches]. [Client.OnConnection] reports what happens to the connection.
// [Client.Cursor] returns what to keep across a restart of the application.
// [Client.History] and [Client.Jobs] ask for cached events without a subscription,
// and [Client.HistorySeq] and [Client.JobsSeq] do it in a range loop, a page at a
// time. [Client.Wait] waits for runs to end. There is an example for each of these.
// Package jobs keeps the state of all jobs from their events.
//
// # Order
//
// Events come one at a time, in the order of their Seq, and each comes once
// within an epoch, across reconnects as well. Events of different jobs, and of
// different packages of one job, may alternate.
//
// A subscription that does not continue at a cached cursor begins with a
// snapshot: the latest event of every run that was unfinished at that place. So
// does the stream after a gap. The events of a snapshot have Snapshot set, and are
// the only ones that may come twice.
//
// # Loss
//
// No event is lost silently. If events have left the server's cache before this
// client got them, the next event has their number in Missed. Events that the
// filter excludes count as missed only if they have left the cache.
//
// If the connection is lost, the client goes on from the last event that has
// come: by itself with [Options.AutoReconnect], and otherwise at the next call of
// Subscribe or Events. A client that begins at the cursor of an earlier one gets
// all events after those that the earlier one had handled.
//
// # Blocking
//
// A slow handler holds up neither the server nor other clients, and its client is
// not dropped. Events wait in the client, as many as [Options.Queue] and
// [Options.QueueBytes] allow. Then the server stops sending until there is room,
// and if the client falls behind the server's cache, it gets a gap.
//
// Every method may be called from inside a handler, or from the body of a loop.
// History, Jobs, Subscribe, Unsubscribe and Close wait for the server, each for a
// bounded time, except that Subscribe with AutoReconnect waits as long as its
// context allows, and so does Wait. Each turn of HistorySeq and JobsSeq waits for a
// bounded time; the loop itself may take any time.
//
// # Fault
//
// What a server can make a client hold is bounded in bytes of memory: by
// [Options.QueueBytes], [Options.MaxMessage] and [Options.ResultBytes]. Calls of a
// server that bring no event have a budget, of 256 at once and four for each
// heartbeat.
//
// If a handler panics, the panic goes to [Options.OnPanic] or to the log, and the
// next event comes. If the server breaks the protocol or exceeds a bound, the
// client ends the connection with an error that says what the server did, and
// goes on as after any other loss. Errors have codes: use errors.Is(err, [wire.Unauthorized]), for
// example, and [wire.IsFinal] to learn whether another attempt can succeed. If a
// context ended a call, errors.Is(err, context.Canceled) or
// context.DeadlineExceeded holds.
package momclient
