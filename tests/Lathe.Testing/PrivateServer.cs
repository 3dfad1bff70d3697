using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Lathe.Testing;

/// <summary>
/// A server process of a test's own. It ends with <see cref="DisposeAsync"/>, and also when the test process dies: a small shell in
/// between holds the other end of a pipe and ends the server by its process id when the pipe closes.
/// </summary>
public sealed class PrivateServer : IAsyncDisposable
{
    private const string Guard =
        """
        signal=$1; shift
        "$@" </dev/null & server=$!
        cat >/dev/null
        kill -"$signal" "$server" 2>/dev/null
        wait "$server" 2>/dev/null
        exit 0
        """;

    private readonly Process _shell;
    private readonly List<string> _output = [];

    private PrivateServer(Process shell) => _shell = shell;

    /// <summary>Starts a server.</summary>
    /// <param name="command">Program and arguments.</param>
    /// <param name="environment">Variables on top of this process's.</param>
    /// <param name="signal">What ends it: KILL, INT or TERM.</param>
    public static PrivateServer Start(IReadOnlyList<string> command, IReadOnlyDictionary<string, string> environment, string signal)
    {
        var start = new ProcessStartInfo("/bin/sh")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        foreach (var argument in (string[])["-c", Guard, "guard", signal, .. command]) start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment) start.Environment[name] = value;
        var server = new PrivateServer(Process.Start(start)!);
        server.Collect();
        return server;
    }

    /// <summary>A port of 127.0.0.1 that nobody listens on.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Process id of the server.</summary>
    public int Id => Children(_shell.Id)[0];

    /// <summary>Processes that a process has started and that still run, the oldest first.</summary>
    public static IReadOnlyList<int> Children(int process)
    {
        try
        {
            return
            [
                .. File.ReadAllText($"/proc/{process}/task/{process}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries)
                    .Select(id => int.Parse(id, System.Globalization.CultureInfo.InvariantCulture)),
            ];
        }
        catch (IOException)
        {
            return [];
        }
    }

    /// <summary>Sends SIGKILL, and waits until the process is gone.</summary>
    public static void Kill(int id)
    {
        try
        {
            using var process = Process.GetProcessById(id);
            process.Kill();
            process.WaitForExit();
        }
        catch (ArgumentException)
        {
            // It is gone.
        }
    }

    /// <summary>Waits until the server answers.</summary>
    /// <param name="name">For the message.</param>
    /// <param name="answers">Asks once; false or an I/O error means not yet.</param>
    public async Task Ready(string name, Func<Task<bool>> answers)
    {
        var deadline = Stopwatch.StartNew();
        while (deadline.Elapsed < TimeSpan.FromSeconds(120))
        {
            try
            {
                if (await answers()) return;
            }
            catch (Exception e) when (e is IOException or SocketException)
            {
                // Not yet.
            }

            await Task.Delay(50);
        }

        throw new InvalidOperationException($"{name} did not start within {deadline.Elapsed.TotalSeconds:0} s:\n{Output}");
    }

    /// <summary>Everything the server has written to its console.</summary>
    public string Output
    {
        get
        {
            lock (_output) return string.Join('\n', _output);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _shell.StandardInput.Close();
        await _shell.WaitForExitAsync();
        _shell.Dispose();
    }

    private void Collect()
    {
        void Add(object sender, DataReceivedEventArgs line)
        {
            if (line.Data is null) return;
            lock (_output) _output.Add(line.Data);
        }

        _shell.OutputDataReceived += Add;
        _shell.ErrorDataReceived += Add;
        _shell.BeginOutputReadLine();
        _shell.BeginErrorReadLine();
    }
}
