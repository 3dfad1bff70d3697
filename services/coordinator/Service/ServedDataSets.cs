using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>Data sets of a coordinator that others reach over HTTP: where its machine has them is for its log, and nothing for those who ask.</summary>
internal static class ServedDataSets
{
    /// <summary>Finds a data set as <see cref="DataFingerprint.Find"/> does; a fault names the data set and no place.</summary>
    public static Func<string, DataRef> Find(HostingSettings settings, ILoggerFactory logs)
    {
        var log = logs.CreateLogger(typeof(ServedDataSets));
        return name =>
        {
            try
            {
                return DataFingerprint.Find(name, settings);
            }
            catch (LatheException e)
            {
                log.LogWarning("Data set {Name}: {Reason}", name, e.Message);
                throw new LatheException(
                    $"data set '{name}' cannot be read where this coordinator looks for data{Nearest.Hint(name, DataSetFiles.ByName.Keys)}; the coordinator's log says where it looked and what is missing", e.Kind, e);
            }
        };
    }
}
