package filestore

import (
	"io"

	"aiccbridge/internal/platformsim/filestore/archive"
)

// writer writes some rows of the sheet, in file order of their columns.
func (sh *sheet) writer(d archive.Dialect, rows []row) func(io.Writer) error {
	return func(w io.Writer) error {
		header := make([]string, len(sh.columns))
		for i, c := range sh.columns {
			header[i] = sh.header[c]
		}
		records := make([][]string, len(rows))
		for i, r := range rows {
			records[i] = make([]string, len(sh.columns))
			for j, c := range sh.columns {
				records[i][j] = r.Cells[c]
			}
		}
		return d.Write(w, header, records)
	}
}
