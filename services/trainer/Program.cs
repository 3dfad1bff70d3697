using Lathe.Exports;
using Lathe.Hosting;
using Lathe.Trainer;

return await StageHost.RunAsync<TrainStage, TrainParameters>(args, bus => bus.AddExporter(new CheckpointExporter()));
