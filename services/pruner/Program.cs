using Lathe.Exports;
using Lathe.Hosting;
using Lathe.Pruner;

return await StageHost.RunAsync<PruneStage, PruneParameters>(args, bus => bus.AddExporter(new CheckpointExporter()));
