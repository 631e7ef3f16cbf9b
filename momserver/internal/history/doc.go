// Package history keeps the stream of events of one server: what is published,
// and where each reader goes on. It has no network and no subscribers.
//
// The newest events are cached, each encoded once. Of the events before them, the
// history keeps the latest one of each unfinished run and of each job.
package history
