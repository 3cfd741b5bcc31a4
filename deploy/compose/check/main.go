// Loads compose.yaml as Docker Compose does: interpolation, the schema, references between services, networks and
// volumes, profiles. Prints the project as JSON, or says what is wrong and exits 1.
//
//	check [--profile NAME]… FILE…
//
// Variables come from the environment; one that is required and missing is an error.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func run() error {
	var profiles []string
	flag.Func("profile", "a profile to switch on", func(name string) error {
		profiles = append(profiles, name)
		return nil
	})
	flag.Parse()
	options, err := cli.NewProjectOptions(flag.Args(), cli.WithOsEnv, cli.WithProfiles(profiles))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(project)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "compose:", err)
		os.Exit(1)
	}
}
