using System.Diagnostics;
using System.Net.Sockets;
using Xunit;

namespace Lathe.Testing;

/// <summary>
/// A PostgreSQL server of the tests' own: its own folder and port on 127.0.0.1, gone with the tests.
/// Usable as a fixture of a test collection.
/// </summary>
public sealed class PostgreSqlServer : IAsyncLifetime
{
    private const string OtherUser = "postgres";

    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-postgresql-").FullName;
    private PrivateServer? _server;
    private int _databases;

    /// <summary>True: what it commits is on the disk, as in production. Tests do without, which is quicker.</summary>
    public bool IsDurable { get; init; }

    /// <summary>Lets it take connections with TLS; null: without alone.</summary>
    public PrivateAuthority? Authority { get; init; }

    /// <summary>Port on 127.0.0.1.</summary>
    public int Port { get; } = PrivateServer.FreePort();

    /// <summary>Connection string of the database <c>postgres</c>; user <c>lathe</c>, a superuser, needs no password.</summary>
    public string ConnectionString => To("postgres");

    public async ValueTask InitializeAsync()
    {
        var cluster = Path.Combine(_folder, "cluster");
        await RunAsync("initdb", "-D", cluster, "-U", "lathe", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync");
        await StartAsync();
    }

    /// <summary>What it logged about a database: errors, with the statements that had them.</summary>
    /// <param name="database">Its name.</param>
    public IReadOnlyList<string> LogOf(string database)
    {
        var start = database + ": ";
        return [.. (_server?.Output ?? "").Split('\n').Where(line => line.StartsWith(start, StringComparison.Ordinal)).Select(line => line[start.Length..])];
    }

    /// <summary>Starts the server, with the databases it had if it ran before.</summary>
    public async Task StartAsync()
    {
        _server = PrivateServer.Start(
            AsOtherUser(
                "postgres",
                ["-D", Path.Combine(_folder, "cluster"), "-p", $"{Port}", "-k", _folder, "-h", "127.0.0.1", "-c", $"fsync={(IsDurable ? "on" : "off")}", "-c", "max_connections=400", "-c", "log_line_prefix=%d: ", .. Authority is null ? [] : Tls(Authority)]),
            Environment(),
            "INT");
        await _server.Ready("PostgreSQL", async () => await TryRunAsync("pg_isready", "-q", "-h", "127.0.0.1", "-p", $"{Port}") == 0);
    }

    /// <summary>Processes of the server, the first one of it first; empty while it is down.</summary>
    public IReadOnlyList<int> Processes
    {
        get
        {
            var file = Path.Combine(_folder, "cluster", "postmaster.pid");
            if (_server is null || !File.Exists(file)) return [];
            var first = int.Parse(File.ReadLines(file).First(), System.Globalization.CultureInfo.InvariantCulture);
            return [first, .. PrivateServer.Children(first)];
        }
    }

    /// <summary>Ends all of its processes at once, as a power cut would.</summary>
    public async Task KillAsync()
    {
        foreach (var id in Processes) PrivateServer.Kill(id);
        if (_server is not null) await _server.DisposeAsync();
        _server = null;
    }

    /// <summary>Makes an empty database for one test.</summary>
    /// <returns>Its connection string.</returns>
    public async Task<string> CreateDatabaseAsync()
    {
        var name = $"test{Interlocked.Increment(ref _databases)}";
        await RunAsync("createdb", "-h", "127.0.0.1", "-p", $"{Port}", "-U", "lathe", name);
        return To(name);
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private string To(string database) => $"Host=127.0.0.1;Port={Port};Username=lathe;Database={database}";

    private static Dictionary<string, string> Environment() => new() { ["LC_ALL"] = "C" };

    /// <summary>It takes no key that others than its own user may read.</summary>
    private string[] Tls(PrivateAuthority authority)
    {
        var key = Path.Combine(_folder, "server.key");
        File.Copy(authority.Key, key, overwrite: true);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var certificate = Path.Combine(_folder, "server.pem");
        File.Copy(authority.Certificate, certificate, overwrite: true);
        if (System.Environment.IsPrivilegedProcess)
        {
            using var chown = Process.Start("chown", [OtherUser, key, certificate]);
            chown.WaitForExit();
        }

        return ["-c", "ssl=on", "-c", $"ssl_cert_file={certificate}", "-c", $"ssl_key_file={key}"];
    }

    /// <summary>PostgreSQL refuses to run as root.</summary>
    private string[] AsOtherUser(string program, params string[] arguments)
    {
        if (!System.Environment.IsPrivilegedProcess) return [ProgramPath(program), .. arguments];
        using var chown = Process.Start("chown", [OtherUser, _folder]);
        chown.WaitForExit();
        return ["setpriv", "--reuid", OtherUser, "--regid", OtherUser, "--clear-groups", ProgramPath(program), .. arguments];
    }

    private async Task RunAsync(string program, params string[] arguments)
    {
        var (status, output) = await OutcomeAsync(program, arguments);
        if (status != 0) throw new InvalidOperationException($"{program} ended with {status}:\n{output}");
    }

    private async Task<int> TryRunAsync(string program, params string[] arguments) => (await OutcomeAsync(program, arguments)).Status;

    private async Task<(int Status, string Output)> OutcomeAsync(string program, string[] arguments)
    {
        var command = AsOtherUser(program, arguments);
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        start.Environment["LC_ALL"] = "C";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output + await errors);
    }

    private static string ProgramPath(string program)
    {
        var folders = (System.Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        var debian = Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql").OrderDescending().Select(version => Path.Combine(version, "bin"))
            : [];
        return folders.Concat(debian).Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists)
            ?? throw new InvalidOperationException($"these tests need PostgreSQL ({program}): apt-get install postgresql");
    }
}
