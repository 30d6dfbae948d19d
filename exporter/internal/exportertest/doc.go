// Package exportertest has what the tests of the exporter's parts share: the bus in memory
// (bucket, publisher, stream of rows, quarantine), whose operations a test can let fail,
// and windows, callbacks, tables and files, sound ones and damaged ones. Only tests import
// it. It imports schemas, and internal/ccfs for what a platform refuses with.
package exportertest
