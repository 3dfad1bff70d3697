using System.Text.Json;
using Lathe.Hosting;

namespace Lathe.Conformance;

/// <summary>Which stage is asked, and with what.</summary>
/// <param name="Stage">Name of the stage; one of its workers must be up.</param>
/// <param name="Settings">Broker, store and data: those of the workers.</param>
public sealed record ConformanceOptions(string Stage, HostingSettings Settings)
{
    /// <summary>Version of the stage; null: the one that is up.</summary>
    public string? Version { get; init; }

    /// <summary>Network of the zoo that the kit makes an untrained checkpoint of; it must fit the data set.</summary>
    public string Model { get; init; } = "lenet5";

    /// <summary>Data set that stages which read data get. The kit looks for it as a worker does, for its fingerprint.</summary>
    public string Dataset { get; init; } = "fashion-mnist";

    /// <summary>Parameters of the runs as a JSON object, on top of the schema's defaults; null: the defaults.</summary>
    public JsonElement? Parameters { get; init; }

    /// <summary>Parameters of the runs that are interrupted, on top of <see cref="Parameters"/>: they should compute for ten seconds at least. Null: none.</summary>
    public JsonElement? Long { get; init; }

    /// <summary>How long a worker has for an answer, for a refusal, and to stop what is cancelled.</summary>
    public TimeSpan Limit { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long one run may take.</summary>
    public TimeSpan RunLimit { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Kills the worker without warning and starts it again; null: what happens then is not asked.</summary>
    public Func<CancellationToken, Task>? Restart { get; init; }
}
