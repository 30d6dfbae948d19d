package main

import (
	"errors"
	"io"
	stdlog "log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"aiccbridge/config"
	"aiccbridge/internal/reload"
	"aiccbridge/internal/systemd"
)

func newRun() *cobra.Command {
	var path string
	var weaker []string
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the bridge until SIGINT or SIGTERM; SIGHUP reloads",
		Long: "Run the bridge. At SIGINT or SIGTERM it takes nothing new, finishes what it has in\n" +
			"hand within shutdown.grace, and ends; a further one ends it at once. At SIGHUP it reads\n" +
			"its configuration again, as bridge reload has it do; when it was started from a terminal\n" +
			"that has gone, it ends.",
		Example: "  bridge run -c bridge.yaml",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			r := &reloading{hangups: takeHangups(c.Context()), level: &logLevel{}}
			reading, err := reload.Read(path)
			cfg, err := loaded(path, reading.Config, err, c.ErrOrStderr())
			if err != nil {
				return err
			}
			signal.Ignore(syscall.SIGPIPE) // a log that nobody reads any more ends no bridge
			r.first = reading
			log := newLevelledLogger(cfg.Log, r.level, c.ErrOrStderr())
			adoptStandardLog(log)
			manager := systemd.New(log)
			r.begin = manager.Reloading
			return runBridge(c.Context(), cfg, log, weaker, hooks{reload: r, manager: manager})
		},
	}
	c.Flags().StringVarP(&path, "config", "c", "bridge.yaml", "configuration file")
	c.Flags().StringArrayVar(&weaker, "accept-weaker", nil, "a stream setting that may be weaker than the bridge wants, by the name that its refusal prints")
	return c
}

// load reads a configuration and prints what is wrong or odd in it.
func load(path string, errOut io.Writer) (*config.Config, error) {
	cfg, err := config.Load(path)
	return loaded(path, cfg, err, errOut)
}

// loaded is load for what has been read.
func loaded(path string, cfg *config.Config, err error, errOut io.Writer) (*config.Config, error) {
	var found config.Errors
	if errors.As(err, &found) {
		return nil, printFindings(errOut, path, found)
	}
	if err != nil {
		return nil, err
	}
	warnOfCertificates(cfg, time.Now())
	warn(errOut, cfg)
	return cfg, nil
}

// newLogger writes for a person on a terminal, JSON otherwise.
func newLogger(c config.Log, w io.Writer) zerolog.Logger {
	return newLevelledLogger(c, &logLevel{}, w)
}

// newLevelledLogger is newLogger with a level that can be changed.
func newLevelledLogger(c config.Log, level *logLevel, w io.Writer) zerolog.Logger {
	level.set(c.Level)
	if c.Format == "console" || c.Format == "auto" && isTerminal(w) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: "15:04:05", NoColor: !isTerminal(w)}
	}
	return zerolog.New(w).Sample(level).With().Timestamp().Logger()
}

// adoptStandardLog makes what libraries print with the standard library's logger, such
// as net/http about idle connections, lines of ours: nothing reads plain text between JSON.
func adoptStandardLog(log zerolog.Logger) {
	stdlog.SetFlags(0)
	stdlog.SetOutput(lineWriter{log})
}

// lineWriter logs each line that is written.
type lineWriter struct{ log zerolog.Logger }

func (w lineWriter) Write(p []byte) (int, error) {
	w.log.Debug().Str("detail", strings.TrimSpace(string(p))).Msg("a library reports")
	return len(p), nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
