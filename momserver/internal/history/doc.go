// Package history keeps the stream of events of one server: what is published,
// and how readers get on in it. It knows neither network nor subscribers.
//
// The newest events are cached, encoded once. Of the events before, the history
// keeps the latest one of each unfinished run and of each job.
package history
