package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"aiccbridge/internal/ccfs"
	"aiccbridge/internal/voice"
)

func newIVR() *cobra.Command {
	c := &cobra.Command{
		Use:     "ivr",
		Short:   "Voice files that the platform's IVR plays",
		Example: "  bridge ivr upload welcome.wav --vdn 39",
		Args:    knownCommand,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newIVRUpload(), newIVRDownload(), newIVRDelete())
	return c
}

// uploaded is what `bridge ivr upload --json` prints.
type uploaded struct {
	Tenant    string   `json:"tenant"`
	FileName  string   `json:"file_name"` // the platform's
	Locations []string `json:"locations"`
}

func newIVRUpload() *cobra.Command {
	o := &storeOptions{}
	var vdn int
	c := &cobra.Command{
		Use:   "upload FILE",
		Short: "Give the IVR a WAV file, and print the platform's name for it",
		Long: "Give the IVR a WAV file: 8 kHz, 8 bits, mono, as A-law, mu-law or PCM, at most 5 MB.\n" +
			"Another one is not sent; what is wrong with it is said, and how to convert it. The\n" +
			"name that is printed is what flows, and the other commands, know the file by.",
		Example: "  bridge ivr upload welcome.wav --vdn 39\n  bridge ivr upload welcome.wav --vdn 39 --json | jq -r .file_name",
		Args:    oneArgument("the WAV file"),
		RunE: func(c *cobra.Command, args []string) error {
			if vdn <= 0 {
				return usageError{errors.New("give --vdn, the number of the virtual call centre whose IVR is to play it")}
			}
			wav, err := readPrompt(args[0])
			if err != nil {
				return err
			}
			return o.with(c.ErrOrStderr(), func(tenant string, client *ccfs.Client) error {
				p, err := client.UploadPrompt(c.Context(), vdn, wav)
				if err != nil {
					return err
				}
				if o.asJSON {
					return json.NewEncoder(c.OutOrStdout()).Encode(uploaded{tenant, p.FileName, append([]string{}, p.Locations...)})
				}
				_, err = fmt.Fprintln(c.OutOrStdout(), p.FileName)
				return err
			})
		},
	}
	o.register(c)
	c.Flags().IntVar(&vdn, "vdn", 0, "number of the virtual call centre (column vdn_id of its rows)")
	return c
}

// readPrompt reads a file that the IVR can play.
func readPrompt(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()                              // it is only read
	wav, err := io.ReadAll(io.LimitReader(f, 64*voice.MaxPrompt)) // enough to say how much too long it is
	if err != nil {
		return nil, err
	}
	err = voice.CheckPrompt(wav)
	var unfit *voice.Unfit
	if errors.As(err, &unfit) {
		return nil, fmt.Errorf("%s was not sent: %w; %s", name, err, unfit.Remedy(name))
	}
	return wav, err
}

// fetched is what `bridge ivr download --json` prints.
type fetched struct {
	Tenant string `json:"tenant"`
	File   string `json:"file"`
	Bytes  int64  `json:"bytes"`
}

func newIVRDownload() *cobra.Command {
	o := &storeOptions{}
	var out string
	var folder bool
	c := &cobra.Command{
		Use:   "download NAME",
		Short: "Fetch a voice file of the IVR by the platform's name for it",
		Example: "  bridge ivr download Y:/3rdfile/39/thirdvoicebotfile/8fSsBaEb_1631869974029.wav\n" +
			"  bridge ivr download Y:/3rdfile/39/thirdvoicebotfile --folder --out welcome.wav",
		Args: oneArgument("the file's name"),
		RunE: func(c *cobra.Command, args []string) error {
			file := cmp.Or(out, path.Base(args[0]))
			if out == "" && folder {
				return usageError{errors.New("give --out: the name of the file in the folder is not known")}
			}
			return o.with(c.ErrOrStderr(), func(tenant string, client *ccfs.Client) error {
				n, err := newFile(file, func(w io.Writer) (int64, error) {
					return download(c.Context(), client, args[0], folder, w)
				})
				if err != nil {
					return err
				}
				if o.asJSON {
					return json.NewEncoder(c.OutOrStdout()).Encode(fetched{tenant, file, n})
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "%s (%d bytes)\n", file, n)
				return err
			})
		},
	}
	o.register(c)
	c.Flags().StringVarP(&out, "out", "o", "", "file to write; default the last part of NAME, in this folder")
	c.Flags().BoolVar(&folder, "folder", false, "NAME is a folder with exactly one file")
	return c
}

func download(ctx context.Context, client *ccfs.Client, name string, folder bool, w io.Writer) (int64, error) {
	got, err := client.DownloadPrompt(ctx, name, folder, w)
	return got.Bytes, err
}

// newFile makes a file that is there whole or not at all, and overwrites none.
func newFile(name string, write func(io.Writer) (int64, error)) (n int64, err error) {
	if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
		return 0, cmp.Or(err, fmt.Errorf("%s exists; give another file with --out", name))
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".bridge-*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the error is told
		}
	}()
	n, err = write(f)
	if err = cmp.Or(err, f.Close()); err != nil {
		return n, err
	}
	return n, os.Rename(f.Name(), name)
}

func newIVRDelete() *cobra.Command {
	o := &storeOptions{}
	var location string
	c := &cobra.Command{
		Use:     "delete NAME",
		Short:   "Remove a voice file of the IVR by the platform's name for it",
		Example: "  bridge ivr delete Y:/3rdfile/39/thirdvoicebotfile/8fSsBaEb_1631869974029.wav",
		Args:    oneArgument("the file's name"),
		RunE: func(c *cobra.Command, args []string) error {
			return o.with(c.ErrOrStderr(), func(tenant string, client *ccfs.Client) error {
				if err := client.DeletePrompt(c.Context(), args[0], location); err != nil {
					return err
				}
				if o.asJSON {
					return json.NewEncoder(c.OutOrStdout()).Encode(map[string]string{"tenant": tenant, "deleted": args[0]})
				}
				_, err := fmt.Fprintf(c.OutOrStdout(), "%s is deleted\n", args[0])
				return err
			})
		},
	}
	o.register(c)
	c.Flags().StringVar(&location, "location", "", "delete it on this node only")
	return c
}
