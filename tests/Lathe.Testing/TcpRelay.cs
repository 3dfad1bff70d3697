using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Lathe.Testing;

/// <summary>Forwards a port of 127.0.0.1 to another, can cut every connection and keep new ones out: a network that fails on demand.</summary>
public sealed class TcpRelay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<TcpClient, bool> _open = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly int _to;
    private readonly Task _accepting;

    public TcpRelay(int to)
    {
        _to = to;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Whether new connections are let through.</summary>
    public bool IsOpen { get; set; } = true;

    /// <summary>Connections forwarded now.</summary>
    public int Connections => _open.Count / 2;

    /// <summary>Cuts every connection, so that <see cref="Connections"/> counts only what comes after.</summary>
    public void CutAll()
    {
        foreach (var client in _open.Keys)
        {
            _open.TryRemove(client, out _);
            client.Client?.Close(0);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        CutAll();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                if (IsOpen) _ = ForwardAsync(client);
                else client.Dispose();
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // Stopped.
        }
    }

    private async Task ForwardAsync(TcpClient client)
    {
        using var server = new TcpClient();
        try
        {
            await server.ConnectAsync("127.0.0.1", _to, _stop.Token);
            _open[client] = _open[server] = true;
            await Task.WhenAny(
                client.GetStream().CopyToAsync(server.GetStream(), _stop.Token),
                server.GetStream().CopyToAsync(client.GetStream(), _stop.Token));
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException or OperationCanceledException)
        {
            // Either end is gone, and with it the other.
        }
        finally
        {
            _open.TryRemove(client, out _);
            _open.TryRemove(server, out _);
            client.Dispose();
        }
    }
}
