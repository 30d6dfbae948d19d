package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"aiccbridge/bus/kv"
	"aiccbridge/config"
	"aiccbridge/exporter/recordings"
	"aiccbridge/internal/voice"
	"aiccbridge/schemas"
)

// keptOptions are the flags of commands about audio that is kept.
type keptOptions struct {
	storeOptions
	wait time.Duration
	// Of ls.
	agent, day, call string
	// Of get.
	out string
	wav bool
}

// keptAudio is the place of a tenant's audio.
type keptAudio struct {
	tenant config.Tenant
	place  audioPlace
	at     string
}

// with calls f with the place where the tenant's audio is kept.
func (o *keptOptions) with(ctx context.Context, errOut io.Writer, f func(ctx context.Context, k keptAudio) error) error {
	cfg, err := load(o.path, errOut)
	if err != nil {
		return err
	}
	tenant, err := o.choose(cfg)
	if err != nil {
		return err
	}
	k := keptAudio{tenant: tenant}
	var open closers
	defer func() { open.close() }()
	settings := tenant.Files.Recordings
	if settings.Store != "nats" { // no hub is needed
		if k.place, k.at, err = openPlace(settings, schemas.Names{}, nil, &open); err != nil {
			return err
		}
		return f(ctx, k)
	}
	if err := hasRun(cfg); err != nil {
		return err
	}
	return visiting(ctx, cfg, zerolog.Nop(), o.wait, func(ctx context.Context, v visit) (err error) {
		k.place, k.at, err = openPlace(settings, v.names, func() *kv.Objects { return kv.OpenObjects(v.bus.Conn(), schemas.BucketRecordings) }, &open)
		if err != nil {
			return err
		}
		return f(ctx, k)
	})
}

func newRecordingsLs() *cobra.Command {
	o := &keptOptions{}
	c := &cobra.Command{
		Use:   "ls",
		Short: "List the audio that is kept",
		Long: "List the recordings of a tenant whose audio is kept, wherever files.recordings says,\n" +
			"the oldest first. Works while a bridge runs and while none does.",
		Example: "  bridge recordings ls --agent 101 --day 20261101\n  bridge recordings ls --json | jq -r .object",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.with(c.Context(), c.ErrOrStderr(), func(ctx context.Context, k keptAudio) error {
				all, err := k.list(ctx, o)
				if err != nil {
					return err
				}
				return o.print(c.OutOrStdout(), all)
			})
		},
	}
	o.register(c)
	f := c.Flags()
	f.StringVar(&o.agent, "agent", "", "only this agent's")
	f.StringVar(&o.day, "day", "", "only of calls that began on this day, as yyyymmdd in the tenant's time")
	f.StringVar(&o.call, "call", "", "only of this call, by its id")
	f.DurationVar(&o.wait, "wait", time.Minute, "how long to wait for NATS")
	c.Flag("json").Usage = "print one JSON object a line, as in the message"
	return c
}

// list is what is known of the audio that is wanted, the oldest first.
func (k keptAudio) list(ctx context.Context, o *keptOptions) (all []schemas.Recording, err error) {
	prefix := recordings.Prefix(k.tenant.Name)
	if o.agent != "" {
		prefix += schemas.EncodeToken(o.agent) + "/"
	}
	err = k.place.Each(ctx, prefix, func(object schemas.Object) error {
		if day := path.Base(path.Dir(object.Name)); o.day != "" && day != o.day {
			return nil
		}
		r, ok, err := k.known(ctx, object)
		if err == nil && ok && (o.call == "" || r.CallID == o.call) {
			all = append(all, r)
		}
		return err
	})
	slices.SortFunc(all, func(a, b schemas.Recording) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Object, b.Object)) })
	return all, err
}

// known is what was noted beside the audio. Some places tell it for single objects only.
func (k keptAudio) known(ctx context.Context, o schemas.Object) (r schemas.Recording, ok bool, err error) {
	if o.Meta == nil {
		var found bool
		if o, found, err = k.place.Find(ctx, o.Name); err != nil || !found {
			return r, false, err
		}
	}
	r, ok = recordings.Kept(k.at, o)
	return r, ok, nil
}

func (o *keptOptions) print(out io.Writer, all []schemas.Recording) error {
	if o.asJSON {
		lines := json.NewEncoder(out)
		for _, r := range all {
			if err := lines.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tAGENT\tCALL\tSTORED\tLENGTH\tFORMAT")
	for _, r := range all {
		format := r.Format
		if r.EncryptedBy != "" {
			format += ", encrypted"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Key, r.Agent, r.CallID, r.At.Local().Format(time.DateTime),
			(time.Duration(r.Milliseconds) * time.Millisecond).Round(time.Second), format)
	}
	return w.Flush()
}

func newRecordingsGet() *cobra.Command {
	o := &keptOptions{}
	c := &cobra.Command{
		Use:   "get KEY",
		Short: "Get the audio of a recording",
		Long: "Get audio that is kept, as the platform gave it (G.711 in RIFF), decrypted and checked\n" +
			"against its digest. KEY is that of `ls` and of the message, or the object's address.\n" +
			"With --wav it is PCM of 16 bits, which every program plays.",
		Example: "  bridge recordings get 0123456789abcdef0123456789abcdef --wav\n  bridge recordings get KEY -o - | ffplay -",
		Args:    oneArgument("the recording's key"),
		RunE: func(c *cobra.Command, args []string) error {
			return o.with(c.Context(), c.ErrOrStderr(), func(ctx context.Context, k keptAudio) error {
				return o.get(ctx, k, args[0], c.OutOrStdout())
			})
		},
	}
	o.register(c)
	f := c.Flags()
	f.StringVarP(&o.out, "output", "o", "", "file to write to, - for standard output; by default KEY.wav in this folder")
	f.BoolVar(&o.wav, "wav", false, "convert to PCM of 16 bits")
	f.DurationVar(&o.wait, "wait", time.Minute, "how long to wait for NATS")
	c.Flag("json").Usage = "print what is known of it as one JSON object, beside the file"
	return c
}

func (o *keptOptions) get(ctx context.Context, k keptAudio, which string, out io.Writer) error {
	said, err := k.find(ctx, which)
	if err != nil {
		return err
	}
	audio, err := k.audio(ctx, said)
	if err != nil {
		return err
	}
	if o.wav {
		sound, err := voice.Read(audio)
		if err == nil {
			audio, err = sound.PCM16()
		}
		if err != nil {
			return fmt.Errorf("convert %s: %w", said.Object, err)
		}
	}
	file := cmp.Or(o.out, said.Key+".wav")
	if file == "-" {
		_, err := out.Write(audio)
		return err
	}
	if err := os.WriteFile(file, audio, 0o600); err != nil {
		return fmt.Errorf("write audio: %w", err)
	}
	if o.asJSON {
		return json.NewEncoder(out).Encode(said)
	}
	_, err = fmt.Fprintln(out, file)
	return err
}

// find is what is known of one recording, by its key, name or address.
func (k keptAudio) find(ctx context.Context, which string) (said schemas.Recording, err error) {
	name := strings.TrimPrefix(which, k.at+"/")
	found := false
	if strings.Contains(name, "/") {
		said, found, err = k.known(ctx, schemas.Object{Name: name})
	} else {
		done := errors.New("found")
		err = k.place.Each(ctx, recordings.Prefix(k.tenant.Name), func(o schemas.Object) (err error) {
			if strings.TrimSuffix(path.Base(o.Name), ".wav") != name {
				return nil
			}
			if said, found, err = k.known(ctx, o); err == nil && found {
				err = done
			}
			return err
		})
		if errors.Is(err, done) {
			err = nil
		}
	}
	if err == nil && !found {
		err = fmt.Errorf("no audio of %s is kept for tenant %s; `bridge recordings ls` shows what is", which, k.tenant.Name)
	}
	return said, err
}

// audio is the audio itself, as the platform gave it.
func (k keptAudio) audio(ctx context.Context, said schemas.Recording) ([]byte, error) {
	name := strings.TrimPrefix(said.Object, k.at+"/")
	r, found, err := k.place.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("%s is gone", said.Object)
	}
	defer r.Close()
	audio, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", said.Object, err)
	}
	if said.EncryptedBy != "" {
		if audio, err = k.decrypt(audio, name, said.EncryptedBy); err != nil {
			return nil, fmt.Errorf("open %s: %w", said.Object, err)
		}
	}
	if sum := sha256.Sum256(audio); hex.EncodeToString(sum[:]) != said.SHA256 {
		return nil, fmt.Errorf("%s is not what was stored: its digest is another", said.Object)
	}
	return audio, nil
}

func (k keptAudio) decrypt(sealed []byte, name, by string) ([]byte, error) {
	key, err := openKey(k.tenant.Files.Recordings)
	switch {
	case err != nil:
		return nil, err
	case key == nil:
		return nil, fmt.Errorf("it is encrypted with key %s, and files.recordings has no encryption_key_file", by)
	case key.ID() != by:
		return nil, fmt.Errorf("it is encrypted with key %s, and encryption_key_file is key %s", by, key.ID())
	}
	return key.Open(sealed, name)
}
