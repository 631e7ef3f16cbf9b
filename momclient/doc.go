// Package momclient subscribes to a MoM server: it tells an application about
// every change of state of the server's mirroring jobs, as calls of a handler
// or as a range loop over typed events.
//
//	c := momclient.New("mirror.example:7420", momclient.Options{AutoReconnect: true})
//	c.OnEvent(func(e wire.Event) { fmt.Println(e.Name(), e.Data.Status.State) })
//	err := c.Subscribe(ctx)
//
// # Order and loss
//
// Events come one at a time, in the order of their Seq, without repeats within
// an epoch, across reconnects too. What was missed is never silent: the next
// event says how many in Missed. After a gap, and at the start of a
// subscription from now, events with Snapshot set tell first where each
// unfinished run stands.
//
// # Handlers
//
// A slow handler does not get its client dropped and does not hold up the
// server: events wait in a queue of [Options.Queue]; when it is full the server
// stops sending to this client, which lags in the server's cache, and is told
// of a gap if it lags too far. Every method may be called from inside a
// handler. A handler that panics is reported, and the next event comes.
//
// # Connections
//
// With [Options.AutoReconnect] the client connects again by itself, from its
// cursor. Without it the application is told that the connection is lost, and
// calls [Client.Subscribe] again, which goes on from the cursor as well. Events
// that have come and wait are kept meanwhile, and are delivered first.
package momclient
