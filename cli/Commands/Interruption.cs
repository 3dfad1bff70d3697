using System.Runtime.InteropServices;

namespace Lathe.Cli.Commands;

/// <summary>Turns the first Ctrl-C or SIGTERM into a request to stop; the second ends the process at once.</summary>
internal sealed class Interruption : IDisposable
{
    /// <summary>Exit code of a command that was interrupted: 128 + SIGINT.</summary>
    public const int ExitCode = 130;

    private readonly CancellationTokenSource _stop = new();
    private readonly List<PosixSignalRegistration> _registrations = [];

    public Interruption()
    {
        foreach (var signal in (PosixSignal[])[PosixSignal.SIGINT, PosixSignal.SIGTERM]) _registrations.Add(PosixSignalRegistration.Create(signal, Stop));
    }

    public CancellationToken Token => _stop.Token;

    public void Dispose()
    {
        foreach (var registration in _registrations) registration.Dispose();
        _stop.Dispose();
    }

    private void Stop(PosixSignalContext context)
    {
        context.Cancel = !_stop.IsCancellationRequested;
        // On another thread: a listener may be slow, and a second signal must still be handled.
        _ = Task.Run(_stop.Cancel);
    }
}
