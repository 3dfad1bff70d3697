using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Lathe.Coordinator.Tests")]
// The command line reads the same sweep files.
[assembly: InternalsVisibleTo("lathe")]
[assembly: InternalsVisibleTo("Lathe.Cli.Tests")]
[assembly: InternalsVisibleTo("Lathe.EndToEnd.Tests")]
[assembly: InternalsVisibleTo("Lathe.Web.Tests")]
[assembly: InternalsVisibleTo("Lathe.Benchmarks.Coordinator")]
