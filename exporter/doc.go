// Package exporter gets the file store's rows onto the bus. It has no code of its own; its
// parts meet only in the ledger, and those above do not import one another:
//
//	planner     tiles tenant time into windows and asks for their extracts
//	worker      downloads a ready file, verifies it and publishes its rows
//	ledger      remembers where each window stands; callbacks arrive here
//	archive     from a downloaded file to verified records
//	importer    brings a file from elsewhere to the worker
//	filestore   what planner and worker need of the platform's file store
//
// A row's way: planner asks through filestore for a window's file; the callback comes to
// ledger, which hands the file over; worker fetches it through filestore, has it read by
// archive, makes messages of its records with schemas/rows, and ends the window with its
// marker.
package exporter
