// Package momserver is the MoM server, Monitoring on Mirroring: it tells
// subscribers about every change of state of every mirroring job, live,
// without ever holding up the mirroring.
//
// A mirroring server embeds it:
//
//	srv := momserver.New(momserver.Config{})
//	go srv.ListenAndServe("127.0.0.1:7420")
//	job, err := srv.StartJob(jobID, wire.InitializeData{Name: "site to staging"})
//	...
//	err = job.Complete()
//
// # Blocking
//
// [Server.Publish], and so every call on a [Job] or a [Package], never waits
// for a subscriber or for the network. It encodes the event once, appends it
// to the cache and rings the sender's bell. The worst case is the time of
// another Publish and of a reader of the cache, each of which holds the
// cache's lock for a bounded copy.
//
// # Order
//
// Events published one after another are delivered to each subscriber in this
// order, with rising Seq, without repeats, across its reconnects too. Events
// published by several goroutines at once get some order, the same for all
// subscribers.
//
// # Loss
//
// The cache holds the last [Config.CacheEvents] events, fewer where
// [Config.CacheBytes] is reached first. A subscriber whose place has left the
// cache is told how many events it missed, exactly, and then gets a snapshot:
// the latest event of every run that was unfinished at the place where it goes
// on. A server's cache ends with its process; its successor has a new epoch.
//
// # Fault
//
// A subscriber that does not answer a call within [Config.CallTimeout] is
// dropped; [Server.Stats] keeps the reason. A slow handler is not such a
// fault: a client without room is not sent more, and lags in the cache. A
// client that leaves more than 16 calls of its own unanswered, because it does
// not read or does not wait, is cut off at once.
package momserver
