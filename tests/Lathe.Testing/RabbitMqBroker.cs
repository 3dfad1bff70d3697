using System.Diagnostics;
using System.Net.Sockets;
using Xunit;

namespace Lathe.Testing;

/// <summary>
/// A RabbitMQ broker of the tests' own: its own node, folders and ports on 127.0.0.1, gone with the tests.
/// Usable as a fixture of a test collection.
/// </summary>
public sealed class RabbitMqBroker : IAsyncLifetime
{
    public const string Server = "/usr/lib/rabbitmq/bin/rabbitmq-server";

    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-rabbitmq-").FullName;
    private readonly int _namePort = PrivateServer.FreePort();
    private readonly int _nodePort = PrivateServer.FreePort();
    private PrivateServer? _names;
    private PrivateServer? _server;

    /// <summary>Gives it a port with TLS; null: none.</summary>
    public PrivateAuthority? Authority { get; init; }

    /// <summary>Port with TLS on 127.0.0.1, where there is an authority.</summary>
    public int TlsPort { get; } = PrivateServer.FreePort();

    /// <summary>Port of the management plug-in on 127.0.0.1; null: it is off.</summary>
    public int? ManagementPort { get; init; }

    /// <summary>AMQP port on 127.0.0.1.</summary>
    public int Port { get; } = PrivateServer.FreePort();

    /// <summary>Address with user and password, virtual host /.</summary>
    public string Address => $"amqp://guest:guest@127.0.0.1:{Port}/";

    public async ValueTask InitializeAsync()
    {
        if (!File.Exists(Server))
            throw new InvalidOperationException($"these tests need RabbitMQ ({Server}): apt-get install rabbitmq-server");
        // A name server of its own; otherwise Erlang leaves a daemon behind for the whole machine.
        _names = PrivateServer.Start(["epmd", "-port", $"{_namePort}", "-address", "127.0.0.1"], Environment(), "KILL");
        await _names.Ready("epmd", async () =>
        {
            using var client = new TcpClient();
            await client.ConnectAsync("127.0.0.1", _namePort);
            return true;
        });
        await StartAsync();
    }

    /// <summary>Starts the broker, with the queues and messages it had if it ran before.</summary>
    public async Task StartAsync()
    {
        File.WriteAllText(
            Path.Combine(_folder, "rabbitmq.conf"),
            $"""
            listeners.tcp.1 = 127.0.0.1:{Port}
            disk_free_limit.absolute = 50MB
            consumer_timeout = 86400000
            log.file.level = warning
            log.console = false
            {(Authority is null ? "" : $"""
            listeners.ssl.1 = 127.0.0.1:{TlsPort}
            ssl_options.cacertfile = {Authority.Root}
            ssl_options.certfile = {Authority.Certificate}
            ssl_options.keyfile = {Authority.Key}
            ssl_options.verify = verify_none
            """)}
            {(ManagementPort is { } management ? $"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}" : "")}

            """);
        if (ManagementPort is not null) File.WriteAllText(Path.Combine(_folder, "enabled_plugins"), "[rabbitmq_management].");
        _server = PrivateServer.Start([Server], Environment(), "KILL");
        await _server.Ready("RabbitMQ", AnswersAsync);
    }

    /// <summary>Asks the broker as its operator does.</summary>
    /// <param name="arguments">Of rabbitmqctl, for example <c>list_queues name durable</c>.</param>
    /// <returns>What it writes, without its own remarks: lines of fields between tabs.</returns>
    public async Task<IReadOnlyList<string>> ControlAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("/usr/lib/rabbitmq/bin/rabbitmqctl", ["--silent", "--node", Environment()["RABBITMQ_NODENAME"], .. arguments]) { RedirectStandardOutput = true };
        foreach (var (name, value) in Environment()) start.Environment[name] = value;
        using var control = System.Diagnostics.Process.Start(start)!;
        var text = await control.StandardOutput.ReadToEndAsync();
        await control.WaitForExitAsync();
        return control.ExitCode == 0 ? text.Split('\n', StringSplitOptions.RemoveEmptyEntries) : throw new InvalidOperationException($"rabbitmqctl ended with {control.ExitCode}: {text}");
    }

    /// <summary>Process id of the broker; null while it is down.</summary>
    public int? Process => _server?.Id;

    /// <summary>Ends the broker at once, as a power cut would.</summary>
    public async Task KillAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        _server = null;
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        if (_names is not null) await _names.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private Dictionary<string, string> Environment() => new()
    {
        ["HOME"] = _folder, // the Erlang cookie
        ["ERL_EPMD_PORT"] = $"{_namePort}",
        ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
        ["RABBITMQ_NODENAME"] = $"lathe-{Port}@localhost",
        ["RABBITMQ_BASE"] = _folder,
        ["RABBITMQ_MNESIA_BASE"] = Path.Combine(_folder, "mnesia"),
        ["RABBITMQ_LOG_BASE"] = Path.Combine(_folder, "log"),
        ["RABBITMQ_CONFIG_FILE"] = Path.Combine(_folder, "rabbitmq.conf"),
        ["RABBITMQ_CONF_ENV_FILE"] = "/dev/null",
        ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(_folder, "enabled_plugins"),
        ["RABBITMQ_DIST_PORT"] = $"{_nodePort}",
        ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = "+sbwt none +sbwtdcpu none +sbwtdio none",
        // Makes the script become the server instead of waiting beside it, so that its process id is the server's.
        ["RUNNING_UNDER_SYSTEMD"] = "true",
    };

    /// <summary>A broker that is up answers the protocol header with the method frame Connection.Start.</summary>
    private async Task<bool> AnswersAsync()
    {
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", Port);
        var stream = client.GetStream();
        await stream.WriteAsync(new byte[] { (byte)'A', (byte)'M', (byte)'Q', (byte)'P', 0, 0, 9, 1 });
        var frame = new byte[1];
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        try
        {
            return await stream.ReadAsync(frame, patience.Token) == 1 && frame[0] == 1;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
