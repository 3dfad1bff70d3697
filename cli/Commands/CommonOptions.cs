using System.CommandLine;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;

namespace Lathe.Cli.Commands;

/// <summary>Options that every command accepts, before or after its name.</summary>
internal static class CommonOptions
{
    public const string CoordinatorVariable = "LATHE_COORDINATOR";

    public static readonly Option<string?> Coordinator = new("--coordinator")
    {
        Description = "A running coordinator, http://host:port, for submit, status, results, orders such as pause, and its checkpoints. [LATHE_COORDINATOR; submit: default this machine's]",
        HelpName = "URL",
        Recursive = true,
    };

    public static readonly Option<bool> Debug = new("--debug") { Description = "Print stack traces.", Hidden = true, Recursive = true };

    public static readonly IReadOnlyList<Option> All = [.. SettingsOptions.OfAll, Coordinator, Debug];

    /// <summary>The settings of this call: options over environment over defaults.</summary>
    /// <exception cref="LatheException">A setting is invalid.</exception>
    public static HostingSettings Settings(ParseResult call) => HostingSettings.Load(call);

    /// <summary>Finds the checkpoints that this call names.</summary>
    /// <exception cref="LatheException">A setting is invalid.</exception>
    public static CheckpointSource Checkpoints(ParseResult call, Terminal terminal) => new(Settings(call), CoordinatorAddress(call), terminal.Say);

    /// <summary>Address on which <c>lathe coordinator</c> listens on this machine.</summary>
    /// <exception cref="LatheException">The environment sets something that is no http address.</exception>
    public static Uri DefaultCoordinator =>
        Address(Environment.GetEnvironmentVariable(CoordinatorHost.HttpVariable) is { Length: > 0 } http ? Reachable(http) : CoordinatorHost.DefaultHttp, CoordinatorHost.HttpVariable);

    /// <summary>Address of the coordinator, or null.</summary>
    /// <exception cref="LatheException">Not an http address.</exception>
    public static Uri? CoordinatorAddress(ParseResult call)
    {
        var given = call.GetValue(Coordinator);
        var text = given ?? Environment.GetEnvironmentVariable(CoordinatorVariable);
        return string.IsNullOrWhiteSpace(text) ? null : Address(text, given is null ? CoordinatorVariable : Coordinator.Name);
    }

    private static Uri Address(string text, string source) =>
        Uri.TryCreate(text.Trim().TrimEnd('/') + "/", UriKind.Absolute, out var address) && address.Scheme is "http" or "https"
            ? address
            : throw new LatheException($"{source} is '{text}', expected http://host:port");

    /// <summary>Replaces "every address", on which a server listens, with an address that a client can connect to.</summary>
    private static string Reachable(string listening) => listening
        .Replace("//*", "//127.0.0.1", StringComparison.Ordinal).Replace("//+", "//127.0.0.1", StringComparison.Ordinal)
        .Replace("//0.0.0.0", "//127.0.0.1", StringComparison.Ordinal);
}
