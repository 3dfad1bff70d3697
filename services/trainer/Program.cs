using Lathe.Hosting;
using Lathe.Trainer;

return await StageHost.RunAsync<TrainStage, TrainParameters>(args);
