// Package momserver is the server of MoM, Monitoring on Mirroring: it tells
// subscribers about every change of state of every mirroring job, live, without
// ever holding up the mirroring. A program that mirrors embeds it:
//
//	srv := momserver.New(momserver.Config{})
//	go srv.ListenAndServe("127.0.0.1:7420") // returns an error if the address is taken
//	err := srv.Run(ctx, jobID, wire.InitializeData{Name: "site to staging"}, mirror)
//	srv.Shutdown(ctx)
//
// # Use
//
// In the order in which a program needs them:
//
//   - [New] makes a [Server] from a [Config], in which every field may be zero.
//     [Server.ListenAndServe] and [Server.Serve] let clients in;
//     [Config.TLS], [Config.Token] and [Config.Authorize] say which.
//   - [Server.Run] runs a job and ends its run however the mirroring ends, and
//     [Job.Package] does the same for a package. [Job] and [Package] have a method
//     for each thing that a program may report. [Server.StartJob] and
//     [Job.StartPackage] are for runs and packages that do not fit into one
//     function; [Server.Publish] is for a program with a state machine of its own.
//   - [Server.Shutdown] delivers what is cached and stops the server;
//     [Server.Close] stops it at once.
//   - [Server.Health], [Server.Stats], [Server.Subscribers] and [Server.Jobs] are
//     for operators. Package debug serves them over HTTP.
//
// # Monitoring never stops the mirroring
//
// Run always calls its function, whatever the server refuses, and so does Package
// until the run has ended. Calls
// that report progress return no error; what makes no sense is counted and
// ignored. A nil *Server, *Job or *Package is switched off, so a program needs no
// branch for mirroring without monitoring. With [Config.Strict], a program does not
// mirror what is not monitored.
//
// # Blocking
//
// [Server.Publish], and so every method of a [Job] or a [Package], never waits
// for a subscriber or for the network. It encodes the event once, appends it to
// the cache and wakes the one goroutine that sends. At worst it waits
// for other publishers and for readers of the cache. Each of them holds the
// cache's lock for a bounded time: to encode one event, to let events leave a full
// cache, to find the next events, or to copy a pointer for each unfinished run, of
// which there are at most [Config.MaxRuns], or for each job, of which there are at
// most [Config.MaxJobs]. [Server.JobStats] holds it to copy the figures of as many
// jobs as the program asks for.
//
// # Order
//
// Every subscriber gets the events in the order of their Seq, each once, across
// its reconnects too. Only the events of a snapshot, which are marked, have older
// Seqs and may repeat events. Events that one goroutine publishes have rising
// Seq. Events that several goroutines publish at once get some order, which is
// the same for all subscribers.
//
// # Loss
//
// The cache holds the last [Config.CacheEvents] events, or fewer if they take
// more than [Config.CacheBytes]. If the next event of a subscriber has left the
// cache, the next event that it gets says in Missed exactly how many events were
// lost. A snapshot follows, as it does at the start of a subscription that does
// not continue at a cached cursor: the latest event of every run that was
// unfinished at the cursor where the subscriber continues. Events do not outlive
// the server's process; the next server has a new epoch.
//
// # Fault
//
// A subscriber that does not answer a call within [Config.CallTimeout] is
// dropped; [Server.Stats] keeps the reason. A client with a slow handler is not
// dropped: it stops allowing the server to send, so the server sends it nothing more, and it falls
// behind in the cache. A client with more than 16 outstanding calls, because it
// does not read or does not await the replies, is disconnected at once. None of
// this slows down the other clients. If a function in Config panics, the server
// refuses the client whose request caused the call.
package momserver
